//! The example with Burn's own training loop does what it says.

use burn::train::renderer::{CliMetricsRenderer, MetricsRenderer};

#[path = "../examples/learner.rs"]
#[allow(dead_code)]
mod example;

#[test]
fn the_first_task_survives_training_by_burns_learner() {
    // Lines, also where the tests have a terminal.
    let lines = || -> Box<dyn MetricsRenderer> { Box::new(CliMetricsRenderer::new()) };
    let [base, plain, protected] = example::compared(lines).unwrap();
    let (strokes, figures) = (|of: [f32; 2]| of[0], |of: [f32; 2]| of[1]);
    // Chance is 25 %. Both learn the figures; fine-tuning pays with half of the strokes.
    assert!(strokes(base) > 95.0 && figures(base) < 40.0, "{base:?}");
    let learned = figures(plain) > 70.0 && figures(protected) > 55.0;
    assert!(learned, "{plain:?} {protected:?}");
    assert!(strokes(plain) < 70.0, "{plain:?}");
    assert!(strokes(protected) > 85.0, "{protected:?}");
}
