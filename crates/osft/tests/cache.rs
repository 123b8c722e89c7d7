//! The cache of splits on disk: found if nothing that they depend on has changed, otherwise made again.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::network::{Network, calibrated, energy, inputs};
use crate::common::{Mlp, backends, trained, weights_of};
use burn::optim::AdamWConfig;
use burn::tensor::Device;
use osft::{
    BasePrecision, Form, Osft, OsftConfig, ShareRule, ShareSchedule, SplitCache, SplitContext,
    SplitSource,
};

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_cached_split_equals_the_one_that_was_made() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let folder = tempfile::tempdir().unwrap();
        let cache = SplitCache::in_folder(folder.path().join("made/when/needed"));
        let forms = [Form::Core, Form::Weight, Form::Factored];
        for (count, form) in forms.into_iter().enumerate() {
            let model = Mlp::new(31, &device);
            let config = OsftConfig::new().with_form(form);
            let with = SplitContext::new().with_cache(&cache);
            let made = Osft::split_in(&model, &config, &with).unwrap();
            assert_eq!(files(cache.folder()).len(), count + 1);
            let found = Osft::split_in(&model, &config, &with).unwrap();
            assert_eq!(files(cache.folder()).len(), count + 1);
            assert_eq!(found.summary(), made.summary(), "{backend} {form:?}");
            let [made, found] = [&made, &found].map(|osft| {
                let adamw = AdamWConfig::new().with_weight_decay(0.01).build();
                let model = trained(model.clone(), osft, adamw, 1e-2, 5, &device);
                let model = osft.finish(model).unwrap();
                let leaks = osft.leaks(&model).unwrap();
                (weights_of(&model), leaks)
            });
            assert_eq!(made, found, "{backend} {form:?}");
        }
    }
}

#[test]
fn a_cached_split_is_loaded_and_not_made_again() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let cache = SplitCache::in_folder(folder.path());
    let with = SplitContext::new().with_cache(&cache);
    let split = |seed| {
        let config = OsftConfig::new();
        let split = Osft::split_in(&Mlp::new(seed, &device), &config, &with).unwrap();
        split.summary()
    };
    let first = split(35);
    let files_of_first = files(folder.path());
    let other = split(36);
    let both = files(folder.path());
    let file_of_other = both
        .iter()
        .find(|file| !files_of_first.contains(file))
        .unwrap();
    assert_ne!(first, other);
    assert_eq!(split(35), first);
    // Proof: with the file replaced, the split of another model is loaded.
    fs::copy(file_of_other, &files_of_first[0]).unwrap();
    assert_eq!(split(35), other);
}

#[test]
fn everything_that_a_split_depends_on_changes_its_key() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let cache = SplitCache::in_folder(folder.path());
    let network = Network::new(&device);
    let calibration = calibrated(&network, "base", &[inputs(1, 64, &device)]);
    let other = calibrated(&network, "base", &[inputs(2, 64, &device)]);
    let schedule = ShareRule::schedule(ShareSchedule {
        first: 0.2,
        last: 0.6,
    });
    let scheduled = OsftConfig::new().with_share_rule(schedule);
    let by_inputs = energy(0.9);
    let halves = OsftConfig::new();
    let bf16 = halves.clone().with_base_precision(BasePrecision::Bf16);
    let both = halves.clone().with_split(SplitSource::Both);
    let plain = SplitContext::new();
    let first = plain.with_calibration(&calibration);
    let second = plain.with_calibration(&other);
    let cases = [
        (&halves, plain),
        (&halves, first),
        (&by_inputs, first),
        (&by_inputs, second),
        (&both, first),
        (&bf16, plain),
        (&scheduled, plain.for_task(0, 3)),
        (&scheduled, plain.for_task(1, 3)),
    ];
    for (count, (config, context)) in cases.iter().enumerate() {
        let made = Osft::split_in(&network, config, &context.with_cache(&cache)).unwrap();
        assert_eq!(files(folder.path()).len(), count + 1);
        let without = Osft::split_in(&network, config, context).unwrap();
        let found = Osft::split_in(&network, config, &context.with_cache(&cache)).unwrap();
        assert_eq!(made.summary(), without.summary());
        assert_eq!(found.summary(), without.summary());
        assert_eq!(found.warnings(), without.warnings());
        // Output changes are measured as before.
        let leaks = [&found, &without].map(|split| split.leaks(&network).unwrap());
        assert_eq!(leaks[0], leaks[1]);
    }
    let moved = Osft::split_in(&Mlp::new(32, &device), &halves, &plain.with_cache(&cache));
    moved.unwrap();
    assert_eq!(files(folder.path()).len(), cases.len() + 1);
}

#[test]
fn two_models_with_one_cached_split_do_not_share_trainable_parameters() {
    let device = Device::flex().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let cache = SplitCache::in_folder(folder.path());
    let model = Mlp::new(33, &device);
    let with = SplitContext::new().with_cache(&cache);
    let ids = [0; 3].map(|_| {
        let osft = Osft::split_in(&model, &OsftConfig::new(), &with).unwrap();
        let model = osft.prepare(model.clone()).unwrap();
        let attached = model.first.weight.reparameterization::<osft::FreeCore>();
        attached.unwrap().core().id
    });
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
}

#[test]
fn a_broken_file_is_replaced_and_an_unwritable_folder_causes_a_warning() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let cache = SplitCache::in_folder(folder.path());
    let model = Mlp::new(34, &device);
    let config = OsftConfig::new();
    let expected = Osft::split(&model, &config).unwrap().summary();
    let with = SplitContext::new().with_cache(&cache);
    Osft::split_in(&model, &config, &with).unwrap();
    let [file] = &files(folder.path())[..] else {
        panic!("one file");
    };
    let whole = fs::read(file).unwrap();
    for broken in [&whole[..whole.len() / 2], b"", b"no split"] {
        fs::write(file, broken).unwrap();
        let split = Osft::split_in(&model, &config, &with).unwrap();
        assert_eq!(split.summary(), expected);
        assert!(split.warnings().is_empty());
        assert_ne!(fs::read(file).unwrap(), broken, "it was replaced");
        assert_eq!(
            files(folder.path()).len(),
            1,
            "nothing half written is left"
        );
    }

    let occupied = folder.path().join("a file");
    fs::write(&occupied, "").unwrap();
    let nowhere = SplitCache::in_folder(&occupied);
    let split = Osft::split_in(&model, &config, &SplitContext::new().with_cache(&nowhere)).unwrap();
    assert_eq!(split.summary(), expected);
    let [warning] = split.warnings() else {
        panic!("{:?}", split.warnings());
    };
    assert!(warning.contains("could not be kept"), "{warning}");
}
