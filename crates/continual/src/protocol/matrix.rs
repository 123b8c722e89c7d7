//! The result matrix of a sequence of tasks.

/// `R[i][j]`: the score on task `j` after learning the first `i` tasks of a sequence of `T`.
///
/// Row 0 is the model before the sequence, so there are `T + 1` rows. Scores are in `[0, 100]`;
/// one that was not measured is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultMatrix {
    tasks: Vec<String>,
    scores: Vec<Vec<Option<f64>>>,
}

impl ResultMatrix {
    /// An empty matrix for tasks in the order they are learned.
    pub fn new(tasks: Vec<String>) -> Self {
        let count = tasks.len();
        Self {
            tasks,
            scores: vec![vec![None; count]; count + 1],
        }
    }

    /// Names of the tasks in the order they are learned.
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// Number of tasks, `T`.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// Score on task `task` (from 0) after `learned` tasks, if it was measured.
    ///
    /// # Panics
    ///
    /// If `learned > T` or `task >= T`.
    pub fn get(&self, learned: usize, task: usize) -> Option<f64> {
        self.scores[learned][task]
    }

    /// Records a score.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    pub fn set(&mut self, learned: usize, task: usize, score: f64) {
        self.scores[learned][task] = Some(score);
    }

    /// Scores after `learned` tasks.
    pub fn row(&self, learned: usize) -> &[Option<f64>] {
        &self.scores[learned]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_stands_where_it_was_put() {
        let names = vec!["a".to_string(), "b".to_string()];
        let mut matrix = ResultMatrix::new(names.clone());
        matrix.set(0, 1, 12.5);
        matrix.set(2, 0, 75.0);
        assert_eq!(matrix.tasks(), names);
        assert_eq!(matrix.task_count(), 2);
        assert_eq!(matrix.row(0), [None, Some(12.5)]);
        assert_eq!(matrix.row(1), [None, None]);
        assert_eq!(matrix.row(2), [Some(75.0), None]);
        assert_eq!((matrix.get(2, 0), matrix.get(0, 0)), (Some(75.0), None));
    }
}
