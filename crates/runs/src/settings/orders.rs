//! The orders that settings name.

use anyhow::{Context, Result, ensure};
use toml::Table;

use super::{RunConfig, merge, parse};

impl RunConfig {
    /// These settings for one order, with the overrides of that order.
    ///
    /// # Errors
    ///
    /// The errors of [`resolve`](Self::resolve).
    pub fn with_order(&self, order: &str) -> Result<Self> {
        let alone = Self {
            order: order.to_string(),
            ..self.clone()
        };
        let Some(changes) = self.by_order.get(order) else {
            return Ok(alone);
        };
        let mut table = Table::try_from(&alone)?;
        if changes.contains_key("epochs") {
            table.remove("task_epochs");
        }
        merge(&mut table, changes.clone());
        let config =
            parse(&self.registries, table).with_context(|| format!("in by_order.{order}"))?;
        config.validate()?;
        config
            .check_rate(self.train.learning_rate)
            .with_context(|| format!("in by_order.{order}"))?;
        for method in &self.compare {
            ensure!(
                config.calibration_use(method) == self.calibration_use(method),
                "by_order.{order}: what {method} calibrates on is one for all orders of a run"
            );
        }
        ensure!(
            config.max_length == self.max_length || self.calibration.questions.is_none(),
            "by_order.{order}.max_length: the questions of the calibration have one length for all orders of a run"
        );
        Ok(config)
    }

    /// The orders to run, each as a user would type it.
    pub fn orders(&self) -> Vec<String> {
        let numbers = self
            .order
            .split(',')
            .map(|part| part.trim().parse::<usize>());
        match numbers.collect::<Result<Vec<_>, _>>() {
            Ok(numbers) => numbers.iter().map(ToString::to_string).collect(),
            Err(_) => vec![self.order.clone()],
        }
    }

    /// The learning rate of a method in all orders: that of the order, which may have one of its own, if there is one alone.
    ///
    /// # Errors
    ///
    /// As [`with_order`](Self::with_order).
    pub fn common_learning_rate(&self, method: &str) -> Result<f64> {
        Ok(match self.orders().as_slice() {
            [order] => self.with_order(order)?.learning_rate(method),
            _ => self.learning_rate(method),
        })
    }
}
