//! The result matrix of a sequence of tasks.

/// `R[i][j]`: the score on task `j` after learning the first `i` tasks of a sequence of `T`.
///
/// Row 0 holds the scores before the first task, so there are `T + 1` rows. Scores are in `[0,
/// 100]`; a score that was not measured is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultMatrix {
    tasks: Vec<String>,
    scores: Vec<Vec<Option<f64>>>,
}

impl ResultMatrix {
    /// A matrix without scores for `tasks`, in the order in which they are learned.
    pub fn new(tasks: Vec<String>) -> Self {
        let count = tasks.len();
        Self {
            tasks,
            scores: vec![vec![None; count]; count + 1],
        }
    }

    /// Names of the tasks in the order in which they are learned.
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// Number of tasks, `T`.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// The score on task `task` (from 0) after `learned` tasks; `None` if it was not measured.
    ///
    /// # Panics
    ///
    /// If `learned > T` or `task >= T`.
    pub fn get(&self, learned: usize, task: usize) -> Option<f64> {
        self.scores[learned][task]
    }

    /// Records a score in `[0, 100]` on task `task` (from 0) after `learned` tasks.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    pub fn set(&mut self, learned: usize, task: usize, score: f64) {
        self.scores[learned][task] = Some(score);
    }

    /// Fills in recorded scores, `R[i][j]` by row; returns whether they have the matrix's size.
    pub(crate) fn fill(&mut self, scores: &[Vec<Option<f64>>]) -> bool {
        let count = self.task_count();
        let fits = scores.len() == count + 1 && scores.iter().all(|row| row.len() == count);
        if fits {
            self.scores = scores.to_vec();
        }
        fits
    }

    /// All scores, `R[i][j]` by row.
    pub fn rows(&self) -> &[Vec<Option<f64>>] {
        &self.scores
    }

    /// All scores after `learned` tasks.
    ///
    /// # Panics
    ///
    /// If `learned > T`.
    pub fn row(&self, learned: usize) -> &[Option<f64>] {
        &self.scores[learned]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_score_is_returned_at_its_position_only() {
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
