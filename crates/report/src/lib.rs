//! Shaketable's report.
