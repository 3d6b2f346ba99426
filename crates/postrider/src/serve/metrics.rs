//! Where a monitoring system reads figures: `GET /metrics` by plain HTTP.

use std::{future::IntoFuture, net::SocketAddr};

use anyhow::Result;
use postrider_net::Shutdown;
use tokio::{net::TcpListener, task::JoinSet};

use super::listeners::bind_one;
use crate::{
    config::Listen,
    control::{Administration, ListeningStatus, metrics_router},
};

/// A bound address.
pub struct BoundMetrics {
    listener: TcpListener,
    address: SocketAddr,
}

impl BoundMetrics {
    /// Binds all configured addresses, or none.
    pub fn all(listen: &Listen) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for address in &listen.metrics {
            all.extend(bind_one("metrics", *address)?.map(|(listener, address)| Self { listener, address }));
        }
        Ok(all)
    }

    /// For people and programs who ask.
    pub fn status(&self) -> ListeningStatus {
        ListeningStatus { protocol: "metrics".to_owned(), address: self.address.to_string() }
    }

    /// Answers until the shutdown.
    pub fn serve(self, tasks: &mut JoinSet<()>, administration: Administration, mut shutdown: Shutdown) {
        tasks.spawn(async move {
            let served = axum::serve(self.listener, metrics_router(administration));
            tokio::select! {
                served = served.into_future() => {
                    if let Err(error) = served {
                        tracing::error!("metrics: {error}");
                    }
                }
                // Nobody waits for figures of a server that ends.
                () = shutdown.requested() => {}
            }
        });
    }
}
