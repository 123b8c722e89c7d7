//! A method's report on a learned task: figures, a table of layers, texts. Reports show them by
//! name and need to know nothing else about them.

use burn::module::Module;
use serde::{Deserialize, Deserializer, Serialize};

/// A method's report on the task that it has just learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskDiagnostics {
    /// Number of scalars that training could change independently.
    pub trainable_parameters: usize,
    /// Number of optimizer steps.
    pub steps: usize,
    /// Bytes that the method [carries](crate::Method::carried) to the next task, beside the model;
    /// `None` if they were not measured.
    #[serde(default)]
    pub carried_bytes: Option<u64>,
    /// Figures about the whole task.
    #[serde(default)]
    pub figures: Vec<Figure>,
    /// Figures about every layer.
    #[serde(default)]
    pub layers: LayerTable,
    /// Texts for a human reader.
    #[serde(default)]
    pub tables: Vec<TextTable>,
    /// Problems, in sentences for a human reader.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A number with a name: a column of the table of all methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Name of the column.
    pub name: String,
    /// Its meaning, as a sentence of the report's legend.
    pub meaning: String,
    /// The number.
    #[serde(deserialize_with = "nan_if_null")]
    pub value: f64,
    /// How the number is written.
    pub notation: Notation,
    /// How several tasks or seeds become one value.
    pub combine: Combine,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notation {
    /// Without decimals.
    Integer,
    /// With this number of decimals.
    Fixed(usize),
    /// As a power of ten, with this number of decimals.
    Scientific(usize),
}

/// How several values of a figure become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// The largest value over tasks and over seeds; NaN counts as larger than every number.
    Largest,
    /// The last task's value; the mean over seeds.
    Last,
}

/// Figures about every layer, one row each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerTable {
    /// The columns.
    pub columns: Vec<Column>,
    /// The layers.
    pub rows: Vec<LayerRow>,
}

/// A column of a [`LayerTable`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// How its numbers are written.
    pub notation: Notation,
}

/// A row of a [`LayerTable`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerRow {
    /// Path of the layer's weight.
    pub layer: String,
    /// One value per column; `None` where the layer has no value.
    pub values: Vec<Option<f64>>,
}

/// A text with a title. Reports show it line by line in a monospaced font.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextTable {
    /// Its title.
    pub title: String,
    /// The text.
    pub text: String,
    /// The task whose text a report shows.
    pub shown: ShownTask,
}

/// The task whose text a report shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownTask {
    /// The first task.
    First,
    /// The last task.
    Last,
}

impl TaskDiagnostics {
    /// The report of a method that trains all parameters of `model`.
    pub fn of_all_parameters<M: Module>(model: &M) -> Self {
        Self {
            trainable_parameters: model.num_params(),
            ..Self::default()
        }
    }

    /// The value of the figure `name`; `None` if there is no such figure.
    pub fn figure(&self, name: &str) -> Option<f64> {
        let figure = self.figures.iter().find(|figure| figure.name == name);
        figure.map(|figure| figure.value)
    }

    /// The figures of a whole sequence, from the reports on its tasks in their order.
    pub fn combined(tasks: &[Self]) -> Vec<Figure> {
        let mut combined: Vec<Figure> = Vec::new();
        for figure in tasks.iter().flat_map(|task| &task.figures) {
            match combined.iter_mut().find(|other| other.name == figure.name) {
                Some(other) => other.value = figure.combine.over_tasks(other.value, figure.value),
                None => combined.push(figure.clone()),
            }
        }
        combined
    }
}

impl Combine {
    /// Combines the values of two tasks, in their order.
    fn over_tasks(self, earlier: f64, later: f64) -> f64 {
        match self {
            Self::Largest => largest(earlier, later),
            Self::Last => later,
        }
    }

    /// Combines the values of several seeds; `None` for no seed.
    pub fn over_seeds(self, values: &[f64]) -> Option<f64> {
        match self {
            Self::Largest => values.iter().copied().reduce(largest),
            Self::Last if values.is_empty() => None,
            Self::Last => Some(values.iter().sum::<f64>() / values.len() as f64),
        }
    }
}

fn largest(a: f64, b: f64) -> f64 {
    match a.is_nan() || b.is_nan() {
        true => f64::NAN,
        false => a.max(b),
    }
}

impl Notation {
    /// Writes a number.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Integer => format!("{value:.0}"),
            Self::Fixed(decimals) => format!("{value:.decimals$}"),
            Self::Scientific(decimals) => format!("{value:.decimals$e}"),
        }
    }
}

impl LayerTable {
    /// The values of a column, layer by layer; `None` if there is no such column.
    pub fn column(&self, name: &str) -> Option<Vec<Option<f64>>> {
        let index = self.columns.iter().position(|column| column.name == name)?;
        Some(self.rows.iter().map(|row| row.values[index]).collect())
    }
}

/// Reads JSON's null as NaN, which JSON cannot write.
pub(crate) fn nan_if_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn task(leak: f64, outputs: f64) -> TaskDiagnostics {
        let figure = |name: &str, value, combine| Figure {
            name: name.to_string(),
            meaning: String::new(),
            value,
            notation: Notation::Scientific(0),
            combine,
        };
        TaskDiagnostics {
            figures: vec![
                figure("leak", leak, Combine::Largest),
                figure("outputs", outputs, Combine::Last),
            ],
            ..TaskDiagnostics::default()
        }
    }

    #[test]
    fn figures_of_tasks_combine_to_the_largest_or_the_last() {
        let values = |tasks: &[TaskDiagnostics]| {
            let figures = TaskDiagnostics::combined(tasks).into_iter();
            figures.map(|figure| figure.value).collect::<Vec<f64>>()
        };
        assert_eq!(values(&[task(3.0, 1.0), task(2.0, 0.5)]), [3.0, 0.5]);
        for tasks in [
            [task(f64::NAN, 1.0), task(2.0, 0.5)],
            [task(2.0, 1.0), task(f64::NAN, 0.5)],
        ] {
            let combined = values(&tasks);
            assert!(combined[0].is_nan() && combined[1] == 0.5, "{combined:?}");
        }
        assert!(values(&[TaskDiagnostics::default()]).is_empty());
    }

    #[test]
    fn values_of_seeds_combine_to_the_largest_or_the_mean() {
        assert_eq!(Combine::Largest.over_seeds(&[1.0, 3.0]), Some(3.0));
        assert_eq!(Combine::Last.over_seeds(&[1.0, 3.0]), Some(2.0));
        assert_eq!(Combine::Last.over_seeds(&[]), None);
        assert_eq!(Combine::Largest.over_seeds(&[]), None);
    }

    #[test]
    fn a_leak_of_nan_survives_json() {
        let json = serde_json::to_string(&task(f64::NAN, 1.0)).unwrap();
        let read: TaskDiagnostics = serde_json::from_str(&json).unwrap();
        assert!(read.figure("leak").unwrap().is_nan());
        assert_eq!(read.figure("outputs"), Some(1.0));
    }

    #[test]
    fn every_notation_writes_a_number_in_its_format() {
        let texts = [
            (Notation::Integer, "12"),
            (Notation::Fixed(2), "12.50"),
            (Notation::Scientific(1), "1.2e1"),
        ];
        for (notation, text) in texts {
            assert_eq!(notation.text(12.5), text);
        }
    }
}
