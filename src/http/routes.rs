//! Where routes are put in, so that there is one list of them: what is served is what is described, or a test fails.

use actix_web::{FromRequest, Handler, Responder, Route, http::Method, web};

/// Takes routes in, under one path that they all begin with.
pub(crate) struct Routes<'a> {
    base: &'static str,
    config: Option<&'a mut web::ServiceConfig>,
    listed: Vec<(Method, String)>,
}

impl<'a> Routes<'a> {
    /// Serves what it takes in.
    pub(crate) fn serving(base: &'static str, config: &'a mut web::ServiceConfig) -> Self {
        Self { base, config: Some(config), listed: Vec::new() }
    }

    /// Serves nothing: for whoever wants the list alone.
    #[cfg(test)]
    pub(crate) fn listing(base: &'static str) -> Self {
        Self { base, config: None, listed: Vec::new() }
    }

    /// The method and the whole path of each that was taken in.
    #[cfg(test)]
    pub(crate) fn into_list(self) -> Vec<(Method, String)> {
        self.listed
    }

    pub(crate) fn get<F, Args>(&mut self, path: &str, handler: F) -> &mut Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.take(Method::GET, path, web::get().to(handler))
    }

    pub(crate) fn post<F, Args>(&mut self, path: &str, handler: F) -> &mut Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.take(Method::POST, path, web::post().to(handler))
    }

    pub(crate) fn put<F, Args>(&mut self, path: &str, handler: F) -> &mut Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.take(Method::PUT, path, web::put().to(handler))
    }

    pub(crate) fn delete<F, Args>(&mut self, path: &str, handler: F) -> &mut Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.take(Method::DELETE, path, web::delete().to(handler))
    }

    fn take(&mut self, method: Method, path: &str, route: Route) -> &mut Self {
        self.listed.push((method, format!("{}{path}", self.base)));
        if let Some(config) = &mut self.config {
            config.route(path, route);
        }
        self
    }
}
