//! Sessions with a server that follows a script.
