//! Shaketable's engine.
