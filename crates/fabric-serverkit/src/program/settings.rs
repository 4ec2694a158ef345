//! Configuration from a file and the environment.

use std::path::Path;

use config::{Config, ConfigError, Environment, File, Map};
use serde::de::DeserializeOwned;

/// Where a program's configuration comes from.
#[derive(Debug, Clone, Copy)]
pub struct SettingsSource {
    /// Starts the name of every environment variable; then come `_` and the field's name in capitals.
    pub prefix: &'static str,
    /// The TOML file that is read when no other is named, and it is there.
    pub default_file: &'static str,
}

impl SettingsSource {
    /// Reads `file`, which must be there, or the default one, and then the environment, which wins. A map replaces the
    /// environment in tests.
    ///
    /// An empty variable is an unset one: compose files leave them so.
    pub fn read<T: DeserializeOwned>(
        self,
        file: Option<&Path>,
        environment: Option<Map<String, String>>,
    ) -> Result<T, ConfigError> {
        let file = match file {
            Some(file) => File::from(file).required(true),
            None => File::with_name(self.default_file).required(false),
        };
        let environment = Environment::with_prefix(self.prefix)
            .prefix_separator("_")
            .ignore_empty(true)
            .source(environment);
        Config::builder().add_source(file).add_source(environment).build()?.try_deserialize()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(default)]
    struct Settings {
        name: String,
        port: u16,
    }

    impl Default for Settings {
        fn default() -> Self {
            Self { name: "default".to_owned(), port: 1 }
        }
    }

    const SOURCE: SettingsSource = SettingsSource { prefix: "FABRIC_TEST", default_file: "not-there.toml" };

    fn environment(variables: &[(&str, &str)]) -> Map<String, String> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_environment_wins_over_the_file_and_an_empty_variable_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        std::fs::write(&file, "name = \"file\"\nport = 2").unwrap();
        let given =
            environment(&[("FABRIC_TEST_NAME", ""), ("FABRIC_TEST_PORT", "3"), ("FABRIC_OTHER_PORT", "4")]);
        let settings: Settings = SOURCE.read(Some(&file), Some(given)).unwrap();
        assert_eq!(settings, Settings { name: "file".to_owned(), port: 3 });
    }

    #[test]
    fn the_default_file_may_be_absent_and_a_named_one_must_not() {
        let settings: Settings = SOURCE.read(None, Some(environment(&[]))).unwrap();
        assert_eq!(settings, Settings::default());
        assert!(SOURCE.read::<Settings>(Some(Path::new("not-there.toml")), Some(environment(&[]))).is_err());
    }
}
