//! `GET /metrics`: what the parts tell of themselves, for Prometheus, on an address of its own.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpResponse, HttpServer, web};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::task::JoinHandle;

/// Upper bounds of what is measured in seconds: from half a millisecond to ten seconds.
const SECONDS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of the numbers of writes in a transaction.
const WRITES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
/// How often samples are put into their buckets when nobody asks; until then they take memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// The process has one recorder, however many nodes run in it.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to record; to be called before the parts are made. `None` where something else records already.
pub(crate) fn record() -> Option<PrometheusHandle> {
    let begin = || {
        let recorder = match builder() {
            Ok(builder) => builder.build_recorder(),
            Err(error) => {
                tracing::error!(%error, "metrics are not recorded");
                return None;
            }
        };
        let handle = recorder.handle();
        match metrics::set_global_recorder(recorder) {
            Ok(()) => Some(handle),
            Err(error) => {
                tracing::error!(%error, "metrics are not recorded here");
                None
            }
        }
    };
    RECORDER.get_or_init(begin).clone()
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_writes".to_owned()), &WRITES)
}

/// A running server of metrics.
pub(crate) struct Metrics {
    server: ServerHandle,
    tasks: [JoinHandle<()>; 2],
}

impl Metrics {
    /// Serves what is recorded at this address, and nothing else.
    pub(crate) fn serve(address: SocketAddr, recorder: PrometheusHandle) -> std::io::Result<Self> {
        let exposed = recorder.clone();
        let server: Server = HttpServer::new(move || {
            let exposed = exposed.clone();
            App::new().route("/metrics", web::get().to(move || std::future::ready(answer(&exposed))))
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .bind(address)?
        .run();
        let handle = server.handle();
        let serving = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the server of metrics ended");
            }
        });
        let upkeep = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(UPKEEP);
            loop {
                ticks.tick().await;
                recorder.run_upkeep();
            }
        });
        tracing::info!(%address, "metrics are served");
        Ok(Self { server: handle, tasks: [serving, upkeep] })
    }

    pub(crate) async fn stop(self) {
        self.server.stop(true).await;
        for task in self.tasks {
            task.abort();
        }
    }
}

fn answer(recorder: &PrometheusHandle) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(recorder.render())
}
