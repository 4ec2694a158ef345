//! What can be known of `docker/` without an engine: nothing that it names is missing, and nothing runs with more
//! rights than it needs.

mod compose;
mod dockerfile;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use compose::{Compose, Condition};
use dockerfile::{Dockerfile, Stage};

use crate::world::World;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn dockerfile() -> Dockerfile {
    Dockerfile::parse(&read("docker/Dockerfile"))
}

fn compose() -> Compose {
    Compose::parse(&read("docker/compose.yaml"))
}

/// Whether the configuration of either program reads a variable.
fn is_read(variable: &str) -> bool {
    let guild = fabric_guild_server::config::Settings::variables();
    let known: Vec<String> = guild.into_iter().chain(fabric_center::Settings::variables()).collect();
    let is_known = |name: &str| known.iter().any(|known| known == name);
    is_known(variable) || variable.strip_suffix("_FILE").is_some_and(is_known)
}

#[test]
fn images_are_made_from_pinned_ones_and_from_what_is_in_the_repository() {
    let ignore = read("docker/Dockerfile.dockerignore");
    let sent: Vec<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignore.lines().any(|line| line == "*"), "nothing else is sent");
    for path in &sent {
        assert!(repository().join(path).exists(), "{path} is sent");
    }
    let file = dockerfile();
    for (index, stage) in file.stages.iter().enumerate() {
        let earlier = |name: &str| file.stages[..index].iter().any(|stage| stage.name == name);
        assert!(earlier(&stage.base) || is_pinned(&stage.base), "FROM {}", stage.base);
        assert_eq!(stage.all("ADD").count(), 0, "COPY does not unpack or download");
        for copy in stage.all("COPY") {
            let words: Vec<&str> = copy.split_whitespace().filter(|word| !word.starts_with("--")).collect();
            if let Some(from) = copy.split_whitespace().find_map(|word| word.strip_prefix("--from=")) {
                assert!(earlier(from), "COPY {copy}");
                continue;
            }
            let (_, sources) = words.split_last().unwrap();
            for source in sources {
                assert!(sent.contains(source), "COPY {copy}: {source} is not sent");
            }
        }
        for run in stage.all("RUN").filter(|run| run.contains("apt-get install")) {
            assert!(run.contains("--no-install-recommends"), "RUN {run}");
            assert!(run.ends_with("rm -rf /var/lib/apt/lists/*"), "RUN {run}");
        }
    }
}

/// A version down to its second number at least, of which there will be no other.
fn is_pinned(image: &str) -> bool {
    let Some((_, tag)) = image.rsplit_once(':') else { return false };
    let version = tag.split('-').next().unwrap_or_default();
    let numbers: Vec<&str> = version.split('.').collect();
    numbers.len() >= 2 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
}

#[test]
fn the_workspace_is_copied_whole_and_built_by_a_compiler_that_is_new_enough() {
    let manifest: toml_subset::Workspace = toml_subset::read(&read("Cargo.toml"));
    let file = dockerfile();
    let build = &file.stages[0];
    let copied: Vec<&str> = build.all("COPY").flat_map(str::split_whitespace).collect();
    for member in &manifest.members {
        let folder = member.trim_end_matches("/*");
        assert!(copied.contains(&folder), "{member} is copied");
    }
    let (_, tag) = build.base.rsplit_once(':').unwrap();
    let minor = |version: &str| version.split('.').nth(1).unwrap().parse::<u32>().unwrap();
    assert!(minor(tag) >= minor(&manifest.rust_version), "{}", build.base);
}

/// The two facts that are wanted of the workspace's manifest.
mod toml_subset {
    pub(super) struct Workspace {
        pub(super) members: Vec<String>,
        pub(super) rust_version: String,
    }

    pub(super) fn read(manifest: &str) -> Workspace {
        let value = |name: &str| {
            let line = manifest.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once('=')).expect(name).1.trim()
        };
        Workspace {
            members: serde_json::from_str(value("members")).unwrap(),
            rust_version: serde_json::from_str(value("rust-version")).unwrap(),
        }
    }
}

#[test]
fn programs_run_without_a_shell_as_nobody_special_and_say_how_they_are() {
    let file = dockerfile();
    let products: Vec<&Stage> = file.products().collect();
    assert_eq!(products.iter().map(|stage| stage.name.as_str()).collect::<Vec<_>>(), ["guild", "center"]);
    for stage in products {
        let program = file.exec_form(stage, "ENTRYPOINT").remove(0);
        assert_eq!(file.exec_form(stage, "CMD"), ["serve"]);
        assert!(
            file.stages[0].all("RUN").any(|run| run.contains(&format!("-p {program}"))),
            "{program} is built"
        );
        let check = file.last(stage, "HEALTHCHECK").expect("HEALTHCHECK");
        let (_, command) = check.split_once(" CMD ").expect("a command");
        assert_eq!(serde_json::from_str::<Vec<String>>(command).unwrap(), [&program, "healthcheck"]);
        let user = file.last(stage, "USER").expect("USER");
        let ids: Vec<u32> =
            user.split(':').map(|id| id.parse().expect("a number, which volumes keep")).collect();
        assert!(ids.iter().all(|id| *id >= 1_000), "USER {user}");
        assert_eq!(file.last(stage, "STOPSIGNAL"), Some("SIGTERM"), "on which both stop cleanly");
        for variable in file.environment(stage).keys() {
            assert!(is_read(variable), "{variable} means nothing");
        }
    }
}

#[test]
fn what_a_service_names_is_there() {
    let (compose, file) = (compose(), dockerfile());
    let targets: Vec<&str> = file.products().map(|stage| stage.name.as_str()).collect();
    let (mut volumes, mut networks) = (BTreeSet::new(), BTreeSet::new());
    for (name, service) in &compose.services {
        assert!(targets.contains(&service.build.target.as_str()), "{name}: {}", service.build.target);
        let context = repository().join("docker").join(&service.build.context);
        assert_eq!(context.canonicalize().unwrap(), repository(), "{name}");
        assert_eq!(service.build.dockerfile, "docker/Dockerfile", "{name}");
        assert_eq!(service.image, format!("fabric-{}:local", service.build.target), "{name}");
        let mounts: Vec<&str> =
            service.volumes.iter().map(|volume| volume.split(':').nth(1).unwrap()).collect();
        for (variable, value) in &service.environment {
            assert!(is_read(variable), "{name}: {variable} means nothing");
            let is_mounted =
                || mounts.iter().any(|mount| Path::new(value).parent() == Some(Path::new(mount)));
            assert!(!variable.ends_with("_FILE") || is_mounted(), "{name}: {variable}");
        }
        volumes.extend(service.volumes.iter().map(|volume| volume.split(':').next().unwrap().to_owned()));
        networks.extend(service.networks.iter().cloned());
        for (other, how) in &service.depends_on {
            let other = compose.services.get(other).unwrap_or_else(|| panic!("{name}: there is no {other}"));
            match how.condition {
                Condition::ServiceHealthy => assert!(!other.healthcheck.disable),
                // One that starts again has not ended.
                Condition::ServiceCompletedSuccessfully => assert_eq!(other.restart, None),
            }
        }
    }
    assert_eq!(volumes, compose.volumes.keys().cloned().collect());
    assert_eq!(networks, compose.networks.keys().cloned().collect());
}

#[test]
fn services_have_no_rights_and_no_secrets() {
    for (name, service) in &compose().services {
        assert!(service.read_only, "{name}");
        assert_eq!(service.cap_drop, ["ALL"], "{name}");
        assert_eq!(service.security_opt, ["no-new-privileges:true"], "{name}");
        assert!(service.tmpfs.iter().all(|folder| folder.starts_with("/tmp:size=")), "{name}");
        for variable in service.environment.keys() {
            let is_secret = ["KEY", "SECRET", "PASSWORD"].iter().any(|word| variable.ends_with(word));
            assert!(!is_secret, "{name}: {variable} belongs into a file");
        }
    }
}

#[test]
fn center_and_two_guilds_are_reached_from_this_machine_only() {
    let mut ports = Vec::new();
    for (name, service) in &compose().services {
        for port in &service.ports {
            let published: Vec<&str> = port.split(':').collect();
            let [address, outside, inside] = published[..] else { panic!("{name}: {port}") };
            assert_eq!((address, outside), ("127.0.0.1", inside), "{name}");
            let variable =
                |setting: &str| service.environment.get(&format!("FABRIC_BACKEND_GUILD_{setting}"));
            let endpoint = format!("http://localhost:{outside}");
            if service.build.target == "guild" {
                assert_eq!(variable("PORT").map(String::as_str), Some(inside), "{name}");
                assert_eq!(variable("PUBLIC_ENDPOINT"), Some(&endpoint), "{name}");
                assert_eq!(variable("NODE_ID"), Some(name), "{name}");
                let setup = &compose().services[&format!("{name}-setup")];
                assert_eq!(setup.command, [name.as_str(), &endpoint], "registered as it is served");
            }
            ports.push(outside.parse::<u16>().unwrap());
        }
    }
    ports.sort_unstable();
    assert_eq!(ports, [7001, 7002, 7003]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guild_has_its_keys_from_files_and_says_how_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("guild.db").display());
    let mut world = World::start(&url, &url).await;
    let file = folder.path().join("commands-sync-key");
    fs::write(&file, "hush\n").unwrap();
    world.set("COMMANDS_SYNC_KEY_FILE", file.to_str().unwrap());
    assert_eq!(world.run(&["print-commands-sync-key"], &url).as_deref(), Ok("hush\n"));

    let problem = world.run(&["healthcheck"], &url).unwrap_err();
    assert!(problem.starts_with(&format!("error: 127.0.0.1:{}: ", world.port())), "{problem}");
    world.boot();
    assert_eq!(world.run(&["healthcheck"], &url).as_deref(), Ok(""));
    assert_eq!(world.terminate().await, Some(0));
    world.stop().await;
}
