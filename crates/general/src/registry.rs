//! The list of suites.

use std::path::Path;
use std::sync::Arc;

use crate::error::GeneralError;
use crate::kind::SuiteKind;
use crate::protocol::Protocol;
use crate::suite::Suite;
use crate::suites::{Bbh, BoolQ, Gsm8k, Loss, Mmlu, Piqa, TyDiQa};

/// Suites by name.
#[derive(Clone, Debug)]
pub struct Suites(Vec<Arc<dyn SuiteKind>>);

impl Suites {
    /// The suites of TRACE's general ability, and the loss on plain text.
    pub fn builtin() -> Self {
        Self(vec![
            // One line per suite.
            Arc::new(Mmlu),
            Arc::new(Gsm8k),
            Arc::new(Bbh),
            Arc::new(TyDiQa),
            Arc::new(BoolQ),
            Arc::new(Piqa),
            Arc::new(Loss),
        ])
    }

    /// Adds a suite, or replaces the suite of the same name.
    #[must_use]
    pub fn with(mut self, kind: impl SuiteKind + 'static) -> Self {
        self.0.retain(|other| other.name() != kind.name());
        self.0.push(Arc::new(kind));
        self
    }

    /// All suites.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn SuiteKind>> {
        self.0.iter()
    }

    /// The names of all suites.
    pub fn names(&self) -> Vec<&'static str> {
        self.iter().map(|kind| kind.name()).collect()
    }

    /// The suites that a protocol has.
    pub fn of(&self, protocol: Protocol) -> impl Iterator<Item = &Arc<dyn SuiteKind>> {
        self.iter()
            .filter(move |kind| is_in(kind.as_ref(), protocol))
    }

    /// The suite of a name.
    ///
    /// # Errors
    ///
    /// [`GeneralError::UnknownSuite`] with the names that there are.
    pub fn find(&self, name: &str) -> Result<&Arc<dyn SuiteKind>, GeneralError> {
        let mut kinds = self.iter();
        kinds
            .find(|kind| kind.name() == name)
            .ok_or_else(|| GeneralError::UnknownSuite {
                name: name.to_string(),
                known: self.names().join(", "),
            })
    }

    /// Opens suites by name, all by one protocol.
    ///
    /// # Errors
    ///
    /// [`GeneralError::UnknownSuite`], [`GeneralError::NotInProtocol`] (both before any file is
    /// read), and the errors of [`SuiteKind::open`].
    pub fn open(
        &self,
        names: &[&str],
        protocol: Protocol,
        folder: &Path,
    ) -> Result<Vec<Suite>, GeneralError> {
        let kinds = names.iter().map(|name| {
            let kind = self.find(name)?;
            match is_in(kind.as_ref(), protocol) {
                true => Ok(kind),
                false => Err(GeneralError::NotInProtocol {
                    suite: kind.name().to_string(),
                    protocol: protocol.name(),
                    known: kind
                        .protocols()
                        .iter()
                        .map(|p| p.name())
                        .collect::<Vec<_>>()
                        .join(", "),
                }),
            }
        });
        let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
        let suites = kinds.into_iter().map(|kind| kind.open(folder, protocol));
        suites.collect()
    }
}

fn is_in(kind: &dyn SuiteKind, protocol: Protocol) -> bool {
    let protocols = kind.protocols();
    protocols.is_empty() || protocols.contains(&protocol)
}

impl Default for Suites {
    fn default() -> Self {
        Self::builtin()
    }
}
