//! Launch context: the profile and the call link of this start, from arguments and environment.

use std::{ffi::OsString, io, path::PathBuf};

use crate::{
    arguments::{Arguments, MissingProfileDirectory},
    profile::Profile,
};

/// The environment variable with the profile's directory; `--profile` overrides it.
const PROFILE_VARIABLE: &str = "HUTONG_DATA_DIR";

/// The profile and the call link that the app was started with.
#[derive(Debug, Default)]
pub struct LaunchContext {
    profile: Option<Profile>,
    link: Option<String>,
}

/// Error: the app cannot start with these arguments or this environment.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// `--profile` has no directory.
    #[error(transparent)]
    Arguments(#[from] MissingProfileDirectory),
    /// The profile's directory cannot be used.
    #[error("cannot create or lock the profile directory {}: {source}", .directory.display())]
    Profile {
        /// The directory as given.
        directory: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
}

impl LaunchContext {
    /// Reads the arguments and the environment of this process. On phones there are none, and the context is empty.
    ///
    /// # Errors
    ///
    /// When the arguments are invalid, or the profile's directory cannot be used.
    pub fn read() -> Result<Self, LaunchError> {
        if cfg!(mobile) {
            return Ok(Self::default());
        }
        Self::from_parts(std::env::args_os().skip(1), std::env::var_os(PROFILE_VARIABLE))
    }

    /// Parses arguments, without the program's name. `directory` is the profile's when there is no `--profile`.
    fn from_parts(
        arguments: impl IntoIterator<Item = OsString>,
        directory: Option<OsString>,
    ) -> Result<Self, LaunchError> {
        let Arguments { profile, link, activation_token: _ } = Arguments::parse(arguments)?;
        let profile = profile
            .or_else(|| directory.map(PathBuf::from))
            .map(|directory| Profile::open(&directory).map_err(|source| LaunchError::Profile { directory, source }));
        Ok(Self { profile: profile.transpose()?, link })
    }

    /// The profile; `None` for the default one, in the system's app data directory.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// The call link to open, not validated yet.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        self.link.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn directory(launch: &LaunchContext) -> Option<&Path> {
        launch.profile().map(Profile::directory)
    }

    #[test]
    fn the_profile_argument_overrides_the_environment() {
        let root = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| root.path().canonicalize().unwrap().join(name));
        let link = "hutong://call/Ana";
        let both = [format!("--profile={}", one.display()), link.to_owned()].map(OsString::from);
        let launch = LaunchContext::from_parts(both, Some(other.clone().into())).unwrap();
        assert_eq!((directory(&launch), launch.link()), (Some(&*one), Some(link)));
        let launch = LaunchContext::from_parts([], Some(other.clone().into())).unwrap();
        assert_eq!((directory(&launch), launch.link()), (Some(&*other), None));
        assert_eq!(directory(&LaunchContext::from_parts([], None).unwrap()), None);
    }

    #[test]
    fn an_unusable_profile_directory_is_an_error_that_names_it() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = LaunchContext::from_parts([], Some(file.clone().into())).unwrap_err().to_string();
        let expected = format!("cannot create or lock the profile directory {}: ", file.display());
        assert!(error.starts_with(&expected), "{error}");
        let error = LaunchContext::from_parts(["--profile".into()], None).unwrap_err();
        assert!(matches!(error, LaunchError::Arguments(MissingProfileDirectory)));
    }
}
