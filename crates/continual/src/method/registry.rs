//! The methods by name.

use std::sync::Arc;

use burn::tensor::Device;
use lm::LanguageModel;
use serde::Serialize;
use toml::{Table, Value};

use super::{
    CalibrationUse, Flag, KindVariant, MemoryNeeds, Method, MethodInputs, MethodKind,
    ObservedLayer, OptimizerName, RegisteredKind, SearchedSetting,
};
use crate::error::ContinualError;
use crate::protocol::Protocol;

/// The methods in the order of their listing.
pub struct MethodRegistry<M> {
    kinds: Vec<Arc<dyn RegisteredKind<M>>>,
}

impl<M> Clone for MethodRegistry<M> {
    fn clone(&self) -> Self {
        Self {
            kinds: self.kinds.clone(),
        }
    }
}

impl<M: LanguageModel + 'static> MethodRegistry<M> {
    /// A registry without methods.
    pub fn empty() -> Self {
        Self { kinds: Vec::new() }
    }

    /// Adds a method, or replaces the method of the same name.
    #[must_use]
    pub fn with(mut self, kind: impl MethodKind<M>) -> Self {
        let existing = self
            .kinds
            .iter()
            .position(|other| other.name() == kind.name());
        let kind = Arc::new(Registered(kind));
        match existing {
            Some(index) => self.kinds[index] = kind,
            None => self.kinds.push(kind),
        }
        self
    }

    /// Iterates over all methods.
    pub fn iter(&self) -> impl Iterator<Item = &dyn RegisteredKind<M>> {
        self.kinds.iter().map(AsRef::as_ref)
    }

    /// Finds a method by name.
    ///
    /// # Errors
    ///
    /// [`ContinualError::UnknownMethod`] with the names of all methods.
    pub fn get(&self, name: &str) -> Result<&dyn RegisteredKind<M>, ContinualError> {
        let kind = self.iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| ContinualError::UnknownMethod {
            name: name.to_string(),
            methods: self.names().join(", "),
        })
    }

    /// The names of all methods.
    pub fn names(&self) -> Vec<&str> {
        self.iter().map(RegisteredKind::name).collect()
    }
}

/// Adapts a kind to settings in a table.
struct Registered<K>(K);

impl<K> Registered<K> {
    /// Reads settings over the defaults and checks them.
    fn read<M: LanguageModel + 'static>(&self, table: &Table) -> Result<K::Settings, ContinualError>
    where
        K: MethodKind<M>,
    {
        let name = self.0.name();
        let mut all = to_table(name, &self.0.defaults())?;
        for (key, value) in table {
            match (all.get_mut(key), value) {
                (Some(Value::Table(inner)), Value::Table(given))
                    if self.0.nested().contains(&key.as_str()) =>
                {
                    inner.extend(given.clone());
                }
                _ => {
                    all.insert(key.clone(), value.clone());
                }
            }
        }
        let settings = serde_path_to_error::deserialize(all).map_err(
            |error: serde_path_to_error::Error<toml::de::Error>| {
                let path = match error.path().to_string() {
                    path if path == "." => String::new(),
                    path => format!(".{path}"),
                };
                ContinualError::MethodSetting {
                    setting: format!("methods.{name}{path}"),
                    reason: error.into_inner().message().to_string(),
                }
            },
        )?;
        self.0.checked(settings)
    }
}

fn to_table<S: Serialize>(name: &str, settings: &S) -> Result<Table, ContinualError> {
    let wrong = |reason: String| ContinualError::MethodSetting {
        setting: format!("methods.{name}"),
        reason,
    };
    match Value::try_from(settings) {
        Ok(Value::Table(table)) => Ok(table),
        Ok(other) => Err(wrong(format!("expected a table, found {other}"))),
        Err(error) => Err(wrong(error.to_string())),
    }
}

impl<M: LanguageModel + 'static, K: MethodKind<M>> RegisteredKind<M> for Registered<K> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn help(&self) -> &str {
        self.0.help()
    }

    fn protocol(&self) -> Protocol {
        self.0.protocol()
    }

    fn learns_adapter(&self) -> bool {
        self.0.learns_adapter()
    }

    fn flags(&self) -> Vec<Flag> {
        self.0.flags()
    }

    fn variants(&self) -> Vec<KindVariant> {
        self.0.variants()
    }

    fn settings(&self, table: &Table) -> Result<Table, ContinualError> {
        let mut written = to_table(self.0.name(), &self.read::<M>(table)?)?;
        self.0.write_absent(&mut written);
        Ok(written)
    }

    fn remove_absent(&self, settings: &mut Table) {
        self.0.remove_absent(settings);
    }

    fn check_optimizer(&self, optimizer: OptimizerName) -> Result<(), ContinualError> {
        self.0.check_optimizer(optimizer)
    }

    fn takes_bound(&self, chosen: &Table) -> bool {
        self.0.takes_bound(chosen)
    }

    fn searched(&self, table: &Table) -> Result<Vec<SearchedSetting>, ContinualError> {
        Ok(self.0.searched(&self.read::<M>(table)?))
    }

    fn rows_per_task(&self, table: &Table, rows: &[usize]) -> Result<Vec<usize>, ContinualError> {
        Ok(self.0.rows_per_task(&self.read::<M>(table)?, rows))
    }

    fn label(&self, table: &Table) -> Result<String, ContinualError> {
        Ok(self.0.label(&self.read::<M>(table)?))
    }

    fn calibration(&self, table: &Table) -> Result<CalibrationUse, ContinualError> {
        Ok(self.0.calibration(&self.read::<M>(table)?))
    }

    fn observed(&self, table: &Table, model: &M) -> Result<Vec<ObservedLayer>, ContinualError> {
        self.0.observed(&self.read::<M>(table)?, model)
    }

    fn check_device(&self, table: &Table, device: &Device) -> Result<(), ContinualError> {
        self.0.check_device(&self.read::<M>(table)?, device)
    }

    fn memory(&self, table: &Table, model: &M) -> Result<MemoryNeeds, ContinualError> {
        self.0.memory(&self.read::<M>(table)?, model)
    }

    fn build(
        &self,
        table: &Table,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        let method = self.0.build(self.read::<M>(table)?, inputs)?;
        match method.protocol() == self.0.protocol() {
            true => Ok(method),
            false => Err(ContinualError::Protocol {
                name: self.0.name().to_string(),
                expected: self.0.protocol(),
                found: method.protocol(),
            }),
        }
    }
}
