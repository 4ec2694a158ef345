//! Whether a server answers, asked from its own machine: for containers, whose images have no HTTP client.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long the answer may take. The health check in `docker/Dockerfile` waits a little longer, and so learns why.
const WITHIN: Duration = Duration::from_secs(5);

const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
const HEALTHY: &[u8] = b"HTTP/1.1 200";

/// Why a server does not count as healthy.
#[derive(Debug, Error)]
pub enum HealthError {
    /// It cannot be reached, or hangs up.
    #[error("{address}: {source}")]
    Unreachable {
        /// The address that was tried.
        address: SocketAddr,
        /// What went wrong.
        source: io::Error,
    },
    /// It took too long.
    #[error("{0}: no answer within {seconds} s", seconds = WITHIN.as_secs())]
    Silent(SocketAddr),
    /// It answers something else than 200.
    #[error("{address}: answered {answer:?}")]
    Unwell {
        /// The address that was asked.
        address: SocketAddr,
        /// How the answer begins.
        answer: String,
    },
}

/// Asks the server that listens on `bind` for `GET /healthz`. An unspecified address (`0.0.0.0`, `::`) is asked on
/// loopback.
pub async fn check_health(bind: SocketAddr) -> Result<(), HealthError> {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let address = SocketAddr::new(ip, bind.port());
    match tokio::time::timeout(WITHIN, answer_of(address)).await {
        Err(_) => Err(HealthError::Silent(address)),
        Ok(Err(source)) => Err(HealthError::Unreachable { address, source }),
        Ok(Ok(answer)) if answer == HEALTHY => Ok(()),
        Ok(Ok(answer)) => {
            Err(HealthError::Unwell { address, answer: String::from_utf8_lossy(&answer).into_owned() })
        }
    }
}

/// The beginning of the answer, as far as the status.
async fn answer_of(address: SocketAddr) -> io::Result<[u8; HEALTHY.len()]> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(REQUEST).await?;
    let mut answer = [0; HEALTHY.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What is said of a server that gives one answer.
    async fn said_of(answer: &'static [u8]) -> Result<(), HealthError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; REQUEST.len()];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(answer).await.unwrap();
            request
        });
        let said = check_health(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)).await;
        assert_eq!(serving.await.unwrap(), REQUEST);
        said
    }

    #[tokio::test]
    async fn only_200_is_healthy() {
        said_of(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let unwell = said_of(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").await.unwrap_err();
        assert!(unwell.to_string().ends_with("answered \"HTTP/1.1 503\""), "{unwell}");
        assert!(matches!(said_of(b"").await, Err(HealthError::Unreachable { .. })));
    }

    #[tokio::test]
    async fn where_nobody_listens_nobody_is_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(matches!(check_health(address).await, Err(HealthError::Unreachable { .. })));
    }
}
