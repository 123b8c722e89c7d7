//! OSFT together with the divergence from the model at the start of the task.

use burn::module::Module;
use continual::trainer::TrainConfig;
use continual::{Generation, Method, SampleSize, generated_rows};
use lm::{Decoder, LanguageModel};

use crate::common::{WORDS, backends, built, config, model, run, weights};

const OSFT: &str = r"targets = ['_proj\.weight$']
protected_share = { energy = 0.8 }
";

fn together(strength: f64) -> Box<dyn Method<Decoder>> {
    let term =
        format!("[term]\nstrength = {strength}\nrows = 12\ntokens = 6\nrows_per_step = 12\n");
    built("osft-lwf", &format!("[osft]\n{OSFT}{term}"))
}

/// `Σ KL(p_before ‖ p_after)` over the tokens of rows that the model before generates.
fn divergence(before: &Decoder, after: &Decoder) -> f64 {
    let generation = Generation {
        size: SampleSize::Rows(40),
        tokens: 6,
        ends: &[0],
        seed: 77,
    };
    let rows = generated_rows(before, WORDS.len(), generation, &mut |_| {});
    let rows: Vec<_> = rows
        .into_iter()
        .filter(|row| before.target_count(row) > 0)
        .collect();
    let [before, after] = [before, after].map(|model| model.answer_log_probabilities(&rows));
    let terms = before.clone().exp() * (before - after);
    f64::from(terms.sum().into_scalar::<f32>())
}

#[test]
fn without_strength_it_is_osft_bit_for_bit() {
    for (backend, device) in backends() {
        let settings = config(TrainConfig::default());
        let (expected, expected_steps) = run(&device, built("osft", OSFT).as_mut(), &settings);
        let (found, steps) = run(&device, together(0.0).as_mut(), &settings);
        assert_eq!(steps, expected_steps, "{backend}");
        let [found, expected] = [&found, &expected].map(|outcome| weights(&outcome.model));
        assert_eq!(found, expected, "{backend}");
    }
}

#[test]
fn with_it_the_model_stays_closer_to_its_start_and_leaks_no_more() {
    for (backend, device) in backends() {
        let settings = config(TrainConfig::default());
        let start = model(&device);
        let after = |strength: f64| {
            let (outcome, _) = run(&device, together(strength).as_mut(), &settings);
            for task in &outcome.diagnostics {
                for name in ["leak in", "leak out"] {
                    let leak = task.figure(name).unwrap();
                    assert!(leak < 1e-5, "{backend} {strength}: {name} {leak}");
                }
            }
            divergence(&start, &outcome.model.valid())
        };
        let [without, with] = [0.0, 10.0].map(after);
        assert!(without > 0.1, "{backend}: {without}");
        assert!(with < 0.5 * without, "{backend}: {with} {without}");
    }
}
