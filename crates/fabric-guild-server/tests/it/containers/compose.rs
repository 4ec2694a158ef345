//! As much of the Compose specification as `docker/compose.yaml` makes use of: anything else is refused.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_norway::Value;

/// The file. Names that begin with `x-` are for YAML's anchors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Compose {
    #[serde(rename = "name")]
    _name: String,
    pub(super) services: BTreeMap<String, Service>,
    pub(super) volumes: BTreeMap<String, Option<Defaults>>,
    pub(super) networks: BTreeMap<String, Option<Defaults>>,
}

/// A volume or network without options.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    pub(super) image: String,
    pub(super) build: Build,
    #[serde(default, rename = "entrypoint")]
    _entrypoint: Vec<String>,
    #[serde(default)]
    pub(super) command: Vec<String>,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) ports: Vec<String>,
    #[serde(default)]
    pub(super) volumes: Vec<String>,
    #[serde(default)]
    pub(super) networks: Vec<String>,
    #[serde(rename = "network_mode")]
    _network_mode: Option<NetworkMode>,
    #[serde(default)]
    pub(super) depends_on: BTreeMap<String, Dependency>,
    #[serde(default)]
    pub(super) healthcheck: Healthcheck,
    pub(super) restart: Option<Restart>,
    #[serde(rename = "stop_grace_period")]
    _stop_grace_period: Option<String>,
    pub(super) read_only: bool,
    pub(super) tmpfs: Vec<String>,
    pub(super) cap_drop: Vec<String>,
    pub(super) security_opt: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Build {
    pub(super) context: String,
    pub(super) dockerfile: String,
    pub(super) target: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dependency {
    pub(super) condition: Condition,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Condition {
    ServiceHealthy,
    ServiceCompletedSuccessfully,
}

/// Changes to the image's own.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Healthcheck {
    pub(super) disable: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Restart {
    UnlessStopped,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NetworkMode {
    None,
}

impl Compose {
    pub(super) fn parse(yaml: &str) -> Self {
        let mut file: Value = serde_norway::from_str(yaml).expect("YAML");
        // What is merged may merge something in turn.
        loop {
            let before = file.clone();
            file.apply_merge().expect("anchors of mappings");
            if file == before {
                break;
            }
        }
        file.as_mapping_mut().expect("a mapping").retain(|name, _| {
            let is_extension = name.as_str().is_some_and(|name| name.starts_with("x-"));
            !is_extension
        });
        serde_norway::from_value(file).expect("what is known of Compose")
    }
}
