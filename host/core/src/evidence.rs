//! stub: replaced below
