//! How a request becomes a websocket of ours: the handler says whose, and the server gives the TCP connection away.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};

use super::response::RequestError;
use crate::{
    connection::{Conn, Connections, Request, Taken, WebSocket},
    proto::server::{Input, Transport},
};

/// Goes along with a request that asks for a websocket, if its server can give the connection away
/// ([`HttpServer`](crate::HttpServer)). The handler leaves in it who takes the connection.
#[derive(Clone, Default)]
pub(crate) struct Handover(Rc<RefCell<Option<Taker>>>);

/// Who takes a TCP connection.
pub(crate) enum Taker {
    /// A session that begins on it.
    New(Arc<Connections>, Request),
    /// A session that exists.
    Upgrade(Arc<Conn>),
}

impl Handover {
    pub(crate) fn take(&self) -> Option<Taker> {
        self.0.take()
    }
}

impl Taker {
    /// Takes it.
    pub(crate) fn accept(self, taken: Taken) {
        let (conn, number) = match self {
            Self::New(connections, request) => {
                let number = connections.shared.number();
                (connections.open(request, Transport::WebSocket { conn: number }), number)
            }
            Self::Upgrade(conn) => {
                let number = conn.shared.number();
                conn.handle(Input::WebSocket { conn: number });
                (conn, number)
            }
        };
        WebSocket::start(conn, number, taken);
    }
}

/// Answers a request for a websocket.
pub(super) fn accept(request: &HttpRequest, taker: Taker) -> Result<HttpResponse, RequestError> {
    let Some(handover) = request.extensions().get::<Handover>().cloned() else {
        tracing::error!(
            "a websocket was refused: the application is not served by actix_socketio::HttpServer"
        );
        return Err(RequestError::Request);
    };
    let mut response = actix_http::ws::handshake(request.head()).map_err(|_| RequestError::Request)?;
    handover.0.replace(Some(taker));
    Ok(response.finish().map_into_boxed_body().into())
}
