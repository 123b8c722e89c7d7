//! Whether samples were large enough: what every report says about the rows of its sources.

use crate::models::t5::{both, examples, model as t5};
use burn::module::Module;
use burn::tensor::Device;
use continual::methods::OsftMethod;
use continual::trainer::TrainConfig;
use continual::{
    CalibrationData, LayerSample, Passes, SampleCheck, TaskDiagnostics, calibrate, check_sample,
};
use lm::{Decoder, Example, LanguageModel};
use osft::{
    Calibrator, Combine, ImportanceMeasure, MomentConfig, Osft, OsftConfig, Scaling, ShareRule,
    Shrinkage, SplitContext, SplitSource, TokenLength,
};

fn passes(batch: usize) -> Passes {
    Passes {
        batch,
        sums_on_device: false,
    }
}

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::common::*;

fn inputs(energy: f64) -> OsftConfig {
    OsftConfig::new()
        .with_targets(["_proj\\.weight$"])
        .with_split(SplitSource::Inputs)
        .with_share_rule(ShareRule::energy(energy))
}

fn checked(model: &Decoder, config: &OsftConfig, rows: &[Example]) -> SampleCheck {
    check_sample(model, config, "rows", rows, passes(3), (0, 2)).unwrap()
}

/// Rows of random tokens, of 5 to 8 tokens each.
fn rows(count: usize) -> Vec<Example> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut tokens = |count: usize| (0..count).map(|_| rng.random_range(0..12)).collect();
    (0..count)
        .map(|row| Example::new(tokens(1), tokens(4 + row % 4)))
        .collect()
}

#[test]
fn halves_are_every_other_row_and_the_split_is_that_of_the_first() {
    for (backend, device) in backends() {
        let model = model(&device);
        let config = inputs(0.9);
        let all = rows(21);
        let found = checked(&model, &config, &all);
        let tokens = all.iter().map(Example::len).sum::<usize>();
        assert_eq!((found.rows, found.tokens), (21, tokens), "{backend}");
        assert_eq!(found.layers.len(), 7, "{backend}");

        // The same split, made here: what it leaves free of its own rows is what it says of itself.
        let first: Vec<Example> = all.iter().step_by(2).cloned().collect();
        let others: Vec<Example> = all.iter().skip(1).step_by(2).cloned().collect();
        let calibrated = |rows: &[Example]| {
            let calibrator = Calibrator::for_config(&model, &config).unwrap();
            calibrate(&model, calibrator, "half", rows, 4).unwrap()
        };
        let half = calibrated(&first);
        let context = SplitContext::new().for_task(0, 2).with_calibration(&half);
        let split = Osft::split_in(&model, &config, &context).unwrap();
        for (layer, sample) in split.layers().iter().zip(&found.layers) {
            let own = 1.0 - layer.protected_input_energy().unwrap();
            assert_eq!(layer.path, sample.path);
            assert!(
                (sample.in_sample - own).abs() < 1e-5,
                "{backend} {sample:?} {own}"
            );
            assert!(
                (0.0..=1.0).contains(&sample.held_out),
                "{backend} {sample:?}"
            );
        }
        // Measured on the same rows, there is nothing to find.
        let doubled: Vec<Example> = first
            .iter()
            .flat_map(|row| [row.clone(), row.clone()])
            .collect();
        for LayerSample {
            path,
            in_sample,
            held_out,
        } in checked(&model, &config, &doubled).layers
        {
            assert!((in_sample - held_out).abs() < 1e-6, "{backend} {path}");
        }
        // With the halves exchanged, other rows are held out.
        let mut exchanged = vec![others[0].clone()];
        exchanged.extend(all.clone());
        let exchanged = checked(&model, &config, &exchanged);
        assert_ne!(exchanged.layers, found.layers, "{backend}");
    }
}

#[test]
fn few_rows_leave_much_of_others_free_and_many_do_not() {
    let device = Device::flex();
    let model = model(&device);
    let few = checked(&model, &inputs(0.999), &rows(4));
    let warning = few.warning().unwrap();
    assert!(warning.contains("rows (4 rows, "), "{warning}");
    let (in_sample, held_out) = few.mean().unwrap();
    assert!(held_out > 2.0 * in_sample, "{few:?}");
    let many = checked(&model, &inputs(0.9), &rows(600));
    assert_eq!(many.warning(), None);
    let (in_sample, held_out) = many.mean().unwrap();
    assert!(
        (held_out / in_sample - 1.0).abs() < 0.2,
        "{in_sample} {held_out}"
    );
}

#[test]
fn too_few_rows_and_splits_that_read_none_are_no_error() {
    let device = Device::flex();
    let model = model(&device);
    let skipping = |config: OsftConfig| {
        let moment = MomentConfig::default().with_skip_first(1);
        config.with_moment(moment)
    };
    let one_token = |row: &Example| Example::new(Vec::new(), vec![row.prompt[0]]);
    let single: Vec<Example> = rows(6).iter().map(one_token).collect();
    let mut one_long = single.clone();
    one_long[1] = rows(1).remove(0);
    for (case, config, rows) in [
        ("no row", inputs(0.9), Vec::new()),
        ("one row", inputs(0.9), rows(1)),
        (
            "weights",
            OsftConfig::new().with_targets(["_proj"]),
            rows(6),
        ),
        (
            "first half skipped",
            skipping(inputs(0.9)),
            one_long.clone(),
        ),
    ] {
        let found = checked(&model, &config, &rows);
        assert_eq!(found.rows, rows.len(), "{case}");
        assert!(
            found.layers.is_empty() && found.warning().is_none(),
            "{case}"
        );
        assert!(found.mean().is_none() && found.worst().is_none(), "{case}");
    }
    // The held-out half has no token: no share of nothing.
    one_long.swap(0, 1);
    let found = checked(&model, &skipping(inputs(0.9)), &one_long);
    assert!(found.layers.is_empty(), "{found:?}");
    // Tokens of one row each are enough without that.
    assert_eq!(checked(&model, &inputs(0.9), &single).layers.len(), 7);
}

#[test]
fn every_kind_of_split_by_the_inputs_is_checked() {
    let device = Device::flex();
    let model = model(&device.clone().autodiff());
    let moment = |moment: MomentConfig| inputs(0.9).with_moment(moment);
    let plain = MomentConfig::default();
    let by_importance = osft::AdaptiveShare {
        importance: ImportanceMeasure::FisherTrace,
        ..osft::AdaptiveShare::default()
    };
    for config in [
        inputs(0.9).with_scaling(Scaling::Ridge),
        inputs(0.9).with_combine(Combine::Union),
        inputs(0.9).with_split(SplitSource::Both),
        inputs(0.9).with_split(SplitSource::InputsAndGradients),
        inputs(0.9).with_share_rule(ShareRule::adaptive(by_importance)),
        moment(plain.with_skip_first(1)),
        moment(plain.with_tokens(TokenLength::Unit)),
        moment(plain.with_shrinkage(Shrinkage::LedoitWolf)),
    ] {
        let found = checked(&model, &config, &rows(40));
        assert_eq!(found.layers.len(), 7, "{config:?}");
        let (in_sample, held_out) = found.mean().unwrap();
        assert!(
            in_sample > 0.0 && held_out > 0.0 && held_out < 1.0,
            "{config:?}: {found:?}"
        );
    }
}

#[test]
fn encoder_decoder_models_are_measured_without_first_tokens_and_checked() {
    for (version, architecture) in both() {
        let model = t5(&architecture, &Device::flex()).unfreeze();
        let targets = [r"(Attention\.[qkvo]|DenseReluDense\.w(i|i_0|i_1|o))\.weight$"];
        let plain = inputs(0.9).with_targets(targets);
        let rows: Vec<Example> = (0..6).flat_map(|_| examples()).collect();
        let tokens = |config: &OsftConfig| {
            let calibrator = Calibrator::for_config(&model, config).unwrap();
            let measured = calibrate(&model, calibrator, "rows", &rows, 4).unwrap();
            measured.sources()[0].tokens
        };
        let skipping = plain
            .clone()
            .with_moment(MomentConfig::default().with_skip_first(1));
        // Encoder and decoder have the tokens of prompts and of answers: the longer of both counts.
        let longest = |less: usize| {
            let prompts = rows
                .iter()
                .map(|row| row.prompt.len().saturating_sub(less))
                .sum();
            let answers = rows
                .iter()
                .map(|row| row.answer.len().saturating_sub(less))
                .sum();
            usize::max(prompts, answers)
        };
        // An empty prompt is read as the end token alone.
        let empty = rows.iter().filter(|row| row.prompt.is_empty()).count();
        assert_eq!(tokens(&plain), longest(0) + empty, "T5 {version}");
        assert_eq!(tokens(&skipping), longest(1), "T5 {version}");
        for config in [plain, skipping] {
            let found = check_sample(&model, &config, "rows", &rows, passes(4), (0, 1)).unwrap();
            assert!(
                found.layers.len() > 10 && found.mean().is_some(),
                "T5 {version}: {found:?}"
            );
        }
    }
}

#[test]
fn continued_rows_begin_as_they_are_told_to() {
    let device = Device::flex();
    let beginnings = vec![vec![3, 4, 5], vec![6], vec![7, 8, 9, 10]];
    let decoder = model(&device);
    let rows = decoder.continued_examples(&beginnings, 4, &[0], 9);
    for (row, beginning) in rows.iter().zip(&beginnings) {
        assert!(row.prompt.is_empty() && row.answer.len() == 4, "{row:?}");
        assert_eq!(row.answer[..beginning.len()], *beginning);
    }
    assert_eq!(rows, decoder.continued_examples(&beginnings, 4, &[0], 9));
    assert_ne!(rows, decoder.continued_examples(&beginnings, 4, &[0], 10));
    for (version, architecture) in both() {
        let model = t5(&architecture, &device);
        let rows = model.continued_examples(&beginnings, 5, &[1], 9);
        for (row, beginning) in rows.iter().zip(&beginnings) {
            assert!(row.prompt.starts_with(beginning), "T5 {version}: {row:?}");
            assert!(
                row.prompt.len() > beginning.len() + 1,
                "T5 {version}: {row:?}"
            );
            assert_eq!((row.prompt.last(), row.answer.last()), (Some(&1), Some(&1)));
        }
        // Another seed gives other texts: the model is not certain of any.
        assert_ne!(
            rows,
            model.continued_examples(&beginnings, 5, &[1], 10),
            "T5 {version}"
        );
    }
}

fn method(data: CalibrationData) -> OsftMethod {
    OsftMethod::new(inputs(0.9)).with_calibration(data)
}

fn table(task: &TaskDiagnostics) -> Option<&str> {
    let mut tables = task.tables.iter();
    let table = tables.find(|table| table.title == "Samples")?;
    Some(&table.text)
}

#[test]
fn a_report_has_the_mean_and_the_worst_layer_of_its_sources_and_scores_do_not_change() {
    let device = Device::flex();
    let settings = config(TrainConfig::default());
    let data = calibration_data(&model(&device));
    let unchecked = CalibrationData {
        held_out: false,
        ..data.clone()
    };
    let (with, _) = run(&device, &mut method(data), &settings);
    let (without, _) = run(&device, &mut method(unchecked), &settings);
    assert_eq!(weights(&with.model), weights(&without.model));
    for (index, task) in with.diagnostics.iter().enumerate() {
        let [mean, worst] = ["held out", "held out, worst"].map(|name| task.figure(name).unwrap());
        assert!(
            0.0 < mean && mean <= worst && worst <= 100.0,
            "{mean} {worst}"
        );
        let table = table(task).unwrap();
        let sources: Vec<&str> = ["generated", "up", "down"]
            .into_iter()
            .filter(|source| table.contains(source))
            .collect();
        assert_eq!(sources.len(), 2 + index, "{table}");
        assert!(table.contains("10         60"), "{table}");
    }
    for task in &without.diagnostics {
        assert_eq!((task.figure("held out"), table(task)), (None, None));
    }
}
