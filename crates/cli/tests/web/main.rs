//! The order API as its clients and its readers see it: a real one, on a real PostgreSQL, brought
//! up by `shaketable up`.

mod api;
mod browser;
mod driver;
mod pages;
mod system;
