//! Shaketable's faults.
