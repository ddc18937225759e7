//! The contracts of both ports, line by line, on real files.

mod bulk;
mod common;
mod crash;
mod documents;
mod functions;
mod indexes;
mod pushdown;
mod sql;
mod transactions;
