//! A store that fails where a test tells it to.
