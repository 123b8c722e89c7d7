//! Figures of a result matrix: average accuracy, transfer and forgetting.
//!
//! There are `T` tasks, and `R[i][j]` is the score on task `j` after learning `i` tasks (`R[0]` is
//! before the first). All figures have the unit of the scores unless they say otherwise. They are
//! `None` if a score that they need was not measured, or if they need more tasks.

use super::ResultMatrix;

/// AA, average accuracy: the mean over all tasks of the score after the last task, `1/T Σ_j
/// R[T][j]`.
pub fn average_accuracy(matrix: &ResultMatrix) -> Option<f64> {
    average_accuracy_over(matrix, &all_tasks(matrix))
}

/// AA over some of the tasks.
///
/// # Panics
///
/// If there is no such task.
pub fn average_accuracy_over(matrix: &ResultMatrix, tasks: &[usize]) -> Option<f64> {
    let last = matrix.task_count();
    mean(tasks.iter().map(|&j| matrix.get(last, j)))
}

/// BWT, backward transfer: `1/(T-1) Σ_{j<T} (R[T][j] - R[j][j])`. Negative means forgetting.
///
/// The divisor is `T - 1`, the number of terms; multiply by `(T-1)/T` to compare with tables that
/// divide by `T`.
pub fn backward_transfer(matrix: &ResultMatrix) -> Option<f64> {
    backward_transfer_over(matrix, &all_tasks(matrix))
}

/// BWT over some of the tasks: those of them before the last task of the sequence.
///
/// # Panics
///
/// If there is no such task.
pub fn backward_transfer_over(matrix: &ResultMatrix, tasks: &[usize]) -> Option<f64> {
    let last = matrix.task_count();
    mean(tasks.iter().filter(|&&j| j + 1 < last).map(|&j| {
        let learned = matrix.get(j + 1, j)?;
        Some(matrix.get(last, j)? - learned)
    }))
}

/// FWT, forward transfer: `1/(T-1) Σ_{j>1} (R[j-1][j] - R[0][j])`, the gain on a task from learning
/// the tasks before it.
pub fn forward_transfer(matrix: &ResultMatrix) -> Option<f64> {
    let last = matrix.task_count();
    mean((1..last).map(|j| Some(matrix.get(j, j)? - matrix.get(0, j)?)))
}

/// Forgetting: `1/(T-1) Σ_{j<T} (max_{j<=t<T} R[t][j] - R[T][j])`, over the measured scores since
/// the task was learned. Positive means forgetting.
pub fn forgetting(matrix: &ResultMatrix) -> Option<f64> {
    let last = matrix.task_count();
    mean((0..last.saturating_sub(1)).map(|j| {
        let best = (j + 1..last)
            .filter_map(|t| matrix.get(t, j))
            .reduce(f64::max)?;
        Some(best - matrix.get(last, j)?)
    }))
}

/// Retention: the mean over `j < T` of `100 R[T][j] / R[j][j]`, the share of the learned score that
/// is left after the last task, in percent. Tasks whose learned score is 0 are left out.
pub fn retention(matrix: &ResultMatrix) -> Option<f64> {
    let last = matrix.task_count();
    let pairs = (0..last.saturating_sub(1))
        .map(|j| Some((matrix.get(j + 1, j)?, matrix.get(last, j)?)))
        .collect::<Option<Vec<_>>>()?;
    let learned = pairs.into_iter().filter(|(learned, _)| *learned > 0.0);
    mean(learned.map(|(learned, kept)| Some(100.0 * kept / learned)))
}

/// Learning accuracy: the mean over tasks of the score right after each was learned, `1/T Σ_j
/// R[j][j]`.
///
/// Compare methods by their retention only if their learning accuracies are equal.
pub fn learning_accuracy(matrix: &ResultMatrix) -> Option<f64> {
    mean((0..matrix.task_count()).map(|j| matrix.get(j + 1, j)))
}

/// Mean and sample standard deviation (divisor `n - 1`; 0 for one value); `None` if there is no
/// value.
pub fn mean_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let deviation = if values.len() > 1 {
        (squares / (n - 1.0)).sqrt()
    } else {
        0.0
    };
    Some((mean, deviation))
}

fn all_tasks(matrix: &ResultMatrix) -> Vec<usize> {
    (0..matrix.task_count()).collect()
}

/// `None` if a term is missing or there is no term.
fn mean(terms: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let terms: Vec<f64> = terms.collect::<Option<_>>()?;
    if terms.is_empty() {
        return None;
    }
    Some(terms.iter().sum::<f64>() / terms.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three tasks, worked out by hand.
    fn example() -> ResultMatrix {
        let mut matrix = ResultMatrix::new(vec!["a".into(), "b".into(), "c".into()]);
        let scores = [
            [10.0, 20.0, 30.0],
            [80.0, 25.0, 15.0],
            [85.0, 90.0, 36.0],
            [50.0, 70.0, 95.0],
        ];
        for (learned, row) in scores.iter().enumerate() {
            for (task, &score) in row.iter().enumerate() {
                matrix.set(learned, task, score);
            }
        }
        matrix
    }

    #[test]
    fn figures_match_a_matrix_worked_out_by_hand() {
        let matrix = example();
        let close = |found: Option<f64>, expected: f64| {
            assert!(
                found.is_some_and(|f| (f - expected).abs() < 1e-12),
                "{found:?} {expected}"
            );
        };
        close(average_accuracy(&matrix), (50.0 + 70.0 + 95.0) / 3.0);
        close(
            backward_transfer(&matrix),
            ((50.0 - 80.0) + (70.0 - 90.0)) / 2.0,
        );
        close(
            forward_transfer(&matrix),
            ((25.0 - 20.0) + (36.0 - 30.0)) / 2.0,
        );
        // The best score on the first task was measured after the second one.
        close(forgetting(&matrix), ((85.0 - 50.0) + (90.0 - 70.0)) / 2.0);
        close(learning_accuracy(&matrix), (80.0 + 90.0 + 95.0) / 3.0);
        close(retention(&matrix), (5000.0 / 80.0 + 7000.0 / 90.0) / 2.0);
    }

    #[test]
    fn figures_over_some_tasks_leave_out_the_others() {
        let matrix = example();
        assert_eq!(
            average_accuracy_over(&matrix, &[0, 2]),
            Some((50.0 + 95.0) / 2.0)
        );
        assert_eq!(backward_transfer_over(&matrix, &[1, 2]), Some(70.0 - 90.0));
        assert_eq!(backward_transfer_over(&matrix, &[2]), None);
        assert_eq!(average_accuracy_over(&matrix, &[]), None);
    }

    #[test]
    fn a_figure_is_none_if_one_of_its_scores_is_missing() {
        let mut matrix = ResultMatrix::new(vec!["a".into(), "b".into()]);
        assert_eq!(average_accuracy(&matrix), None);
        matrix.set(2, 0, 10.0);
        matrix.set(2, 1, 20.0);
        assert_eq!(average_accuracy(&matrix), Some(15.0));
        assert_eq!(backward_transfer(&matrix), None);
        matrix.set(1, 0, 30.0);
        assert_eq!(backward_transfer(&matrix), Some(-20.0));
        assert_eq!(forgetting(&matrix), Some(20.0));
        assert_eq!(forward_transfer(&matrix), None);
    }

    #[test]
    fn transfer_and_forgetting_need_two_tasks() {
        let mut matrix = ResultMatrix::new(vec!["a".into()]);
        matrix.set(0, 0, 1.0);
        matrix.set(1, 0, 2.0);
        assert_eq!(average_accuracy(&matrix), Some(2.0));
        assert_eq!(backward_transfer(&matrix), None);
        assert_eq!(forgetting(&matrix), None);
        assert_eq!(forward_transfer(&matrix), None);
    }

    #[test]
    fn forgetting_counts_scores_only_since_a_task_was_learned() {
        let mut matrix = ResultMatrix::new(vec!["a".into(), "b".into(), "c".into()]);
        let scores = [[99.0, 20.0], [80.0, 98.0], [70.0, 90.0], [50.0, 60.0]];
        for (learned, row) in scores.iter().enumerate() {
            matrix.set(learned, 0, row[0]);
            matrix.set(learned, 1, row[1]);
        }
        // 99 and 98 were measured before the tasks were learned, so they do not count.
        assert_eq!(
            forgetting(&matrix),
            Some(((80.0 - 50.0) + (90.0 - 60.0)) / 2.0)
        );
    }

    #[test]
    fn retention_leaves_out_tasks_with_a_learned_score_of_0() {
        let mut matrix = ResultMatrix::new(vec!["a".into(), "b".into(), "c".into()]);
        for (learned, task, score) in [(1, 0, 0.0), (3, 0, 5.0), (2, 1, 50.0), (3, 1, 20.0)] {
            matrix.set(learned, task, score);
        }
        assert_eq!(retention(&matrix), Some(40.0));
        matrix.set(2, 1, 0.0);
        assert_eq!(retention(&matrix), None);
    }

    #[test]
    fn deviation_is_the_sample_standard_deviation() {
        assert_eq!(mean_and_deviation(&[]), None);
        assert_eq!(mean_and_deviation(&[3.0]), Some((3.0, 0.0)));
        assert_eq!(mean_and_deviation(&[1.0, 3.0]), Some((2.0, 2.0_f64.sqrt())));
        // (4 + 1 + 9) / 2
        let found = mean_and_deviation(&[1.0, 2.0, 6.0]);
        assert_eq!(found, Some((3.0, 7.0_f64.sqrt())));
    }
}
