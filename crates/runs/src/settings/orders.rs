//! The orders that settings name.

use anyhow::Result;

use super::RunConfig;

impl RunConfig {
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
