//! What the forms of pages do. Each carries a token that goes with its browser's cookie, so that no other page can send
//! it in that browser's name.

use axum::extract::{Request, State};
use axum::response::Response;

use super::session::Visitor;
use super::{see_other, service_path, way_back};
use crate::core::limits::FORM_BYTES_MAX;
use crate::core::name::Name;
use crate::http::problem::Problem;
use crate::http::query::{self, Query};
use crate::http::{Api, body, ping};
use crate::store::Action;

/// The fields of a form, as they were sent.
pub(super) struct Form(String);

impl Form {
    /// The fields of a request's body, in the syntax of a query.
    pub(super) async fn read(request: Request) -> Result<Self, Problem> {
        let bytes = body::whole(request.into_body(), FORM_BYTES_MAX, "a form").await?;
        String::from_utf8(bytes).map(Self).map_err(|_| {
            Problem::BadRequest("the form is not UTF-8: send it as browsers do".to_owned())
        })
    }

    /// The same, of a form that changes something: its token has to be that of the visitor.
    pub(super) async fn read_own(request: Request) -> Result<Self, Problem> {
        let visitor = request.extensions().get::<Visitor>().cloned().unwrap_or_default();
        let form = Self::read(request).await?;
        let token = form.field("token")?.unwrap_or_default();
        if visitor.takes(&token) {
            return Ok(form);
        }
        Err(Problem::Forbidden(
            "this form is not one of your session: load the page again, and try once more"
                .to_owned(),
        ))
    }

    /// The value of a field; `None` where it was not sent.
    pub(super) fn field(&self, name: &str) -> Result<Option<String>, Problem> {
        Query::parse(&self.0).get(name)
    }

    /// Where the form wants to go afterwards.
    pub(super) fn back(&self, otherwise: &str) -> Result<String, Problem> {
        let back = self.field("back")?;
        Ok(way_back(back.as_deref().unwrap_or(otherwise)).to_owned())
    }
}

/// `POST /services/{name}/pause`
pub(crate) async fn pause(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    steer(&api, request, Action::Pause).await
}

/// `POST /services/{name}/resume`
pub(crate) async fn resume(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    steer(&api, request, Action::Resume).await
}

/// `POST /services/{name}/delete`
pub(crate) async fn delete(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let (name, by) = (name(&request)?, ping::origin_of(request.extensions()));
    let form = Form::read_own(request).await?;
    let done = api.0.store.delete(name.clone(), api.0.clock.now(), by).await;
    done.map_err(|error| Problem::of_store(&error, name.as_str()))?;
    Ok(see_other(&form.back("/")?))
}

async fn steer(api: &Api, request: Request, action: Action) -> Result<Response, Problem> {
    let (name, by) = (name(&request)?, ping::origin_of(request.extensions()));
    let form = Form::read_own(request).await?;
    let done = api.0.store.steer(name.clone(), action, api.0.clock.now(), by).await;
    let done = done.map_err(|error| Problem::of_store(&error, name.as_str()))?;
    Ok(see_other(&form.back(&service_path(done.service.name.as_str()))?))
}

fn name(request: &Request) -> Result<Name, Problem> {
    ping::name(&query::name_before_last_segment(request.uri().path())?)
}
