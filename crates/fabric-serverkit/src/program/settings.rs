//! Configuration from a file and the environment.

use std::fs;
use std::path::Path;

use config::{Config, ConfigError, Environment, File, Map, Source as _};
use serde::de::DeserializeOwned;

use super::names::field_names;

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
    /// An empty variable is an unset one: compose files leave them so. A variable with `_FILE` at its end names a file
    /// that has the value, without its last line break: for secrets, which others may see in an environment.
    pub fn read<T: DeserializeOwned>(
        self,
        file: Option<&Path>,
        environment: Option<Map<String, String>>,
    ) -> Result<T, ConfigError> {
        self.read_all(file, environment).map_err(without_values)
    }

    fn read_all<T: DeserializeOwned>(
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
        let given = environment.collect()?;
        let mut settings = Config::builder().add_source(file).add_source(environment);
        for name in field_names::<T>() {
            if let Some(path) = given.get(&format!("{name}_file")) {
                let variable = self.variable(name);
                if given.contains_key(*name) {
                    return Err(ConfigError::Message(format!(
                        "{variable} and {variable}_FILE: give one or the other"
                    )));
                }
                let path = path.clone().into_string()?;
                let value = fs::read_to_string(&path)
                    .map_err(|error| ConfigError::Message(format!("{variable}_FILE: {path}: {error}")))?;
                settings = settings.set_override(*name, value.trim_end_matches(['\r', '\n']))?;
            }
        }
        settings.build()?.try_deserialize()
    }

    /// The names of the environment variables that [`read`](Self::read) looks for, without those with `_FILE`.
    pub fn variables<T: DeserializeOwned>(self) -> Vec<String> {
        field_names::<T>().iter().map(|name| self.variable(name)).collect()
    }

    fn variable(self, name: &str) -> String {
        format!("{}_{}", self.prefix, name.to_uppercase())
    }
}

/// The same error without what was given: it may be a secret, or stand on the line of one.
fn without_values(error: ConfigError) -> ConfigError {
    let place = |origin: Option<String>| origin.map(|origin| format!(" in {origin}")).unwrap_or_default();
    match error {
        ConfigError::FileParse { uri, cause } => {
            // What follows the first line quotes the file.
            let text = cause.to_string();
            let where_it_is = text.lines().next().unwrap_or_default();
            ConfigError::Message(format!("{where_it_is}{}", place(uri)))
        }
        ConfigError::Type { origin, expected, key, unexpected: _ } => {
            let key = key.unwrap_or_else(|| "a value".to_owned());
            ConfigError::Message(format!("`{key}` must be {expected}{}", place(origin)))
        }
        ConfigError::At { error, origin, key } => {
            ConfigError::At { error: Box::new(without_values(*error)), origin, key }
        }
        other => other,
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
        fs::write(&file, "name = \"file\"\nport = 2").unwrap();
        let given =
            environment(&[("FABRIC_TEST_NAME", ""), ("FABRIC_TEST_PORT", "3"), ("FABRIC_OTHER_PORT", "4")]);
        let settings: Settings = SOURCE.read(Some(&file), Some(given)).unwrap();
        assert_eq!(settings, Settings { name: "file".to_owned(), port: 3 });
    }

    #[test]
    fn a_variable_may_name_a_file_that_has_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("name");
        fs::write(&file, "from a file\n").unwrap();
        let path = file.to_str().unwrap();
        let read = |variables: &[(&str, &str)]| SOURCE.read::<Settings>(None, Some(environment(variables)));
        let settings = read(&[("FABRIC_TEST_NAME_FILE", path), ("FABRIC_TEST_NAME", "")]).unwrap();
        assert_eq!(settings.name, "from a file");
        let both = read(&[("FABRIC_TEST_NAME_FILE", path), ("FABRIC_TEST_NAME", "given")]).unwrap_err();
        assert!(both.to_string().contains("FABRIC_TEST_NAME and FABRIC_TEST_NAME_FILE"), "{both}");
        let missing = read(&[("FABRIC_TEST_NAME_FILE", "/not/there")]).unwrap_err();
        assert!(missing.to_string().contains("FABRIC_TEST_NAME_FILE: /not/there"), "{missing}");
    }

    #[test]
    fn no_error_shows_what_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        for (text, told) in [
            ("name = \"hush\nport = 1", "TOML parse error at line 1"),
            ("port = 1\nname = hush", "TOML parse error at line 2"),
            ("name = \"hush\" \"hush\"", "TOML parse error at line 1"),
            ("port = \"hush\"", "port"),
            ("port = 1\nname = [\"hush\"]", "name"),
        ] {
            fs::write(&path, text).unwrap();
            let error = SOURCE.read::<Settings>(Some(&path), Some(environment(&[]))).unwrap_err();
            for shown in [error.to_string(), format!("{error:?}")] {
                assert!(shown.contains(told) && !shown.contains("hush"), "{shown}");
            }
        }
        let given = environment(&[("FABRIC_TEST_PORT", "hush")]);
        let error = SOURCE.read::<Settings>(None, Some(given)).unwrap_err().to_string();
        assert!(error.contains("port") && !error.contains("hush"), "{error}");
    }

    #[test]
    fn the_variables_are_named_by_the_fields() {
        assert_eq!(SOURCE.variables::<Settings>(), ["FABRIC_TEST_NAME", "FABRIC_TEST_PORT"]);
        assert!(SOURCE.variables::<String>().is_empty());
    }

    #[test]
    fn the_default_file_may_be_absent_and_a_named_one_must_not() {
        let settings: Settings = SOURCE.read(None, Some(environment(&[]))).unwrap();
        assert_eq!(settings, Settings::default());
        assert!(SOURCE.read::<Settings>(Some(Path::new("not-there.toml")), Some(environment(&[]))).is_err());
    }
}
