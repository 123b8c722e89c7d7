//! Moments without first tokens, of tokens of one length, and with a shrunk spectrum.

use crate::common::backends;
use crate::common::host::{host, svd, tensor};
use crate::common::network::{Network, WIDTH, energy, inputs, observed, split, train};
use crate::common::sinks::{calibrated, chosen, mean_of_first, skipping, starts, with_sinks};
use burn::tensor::Device;
use faer::Mat;
use osft::{
    Calibration, Calibrator, Combine, MomentConfig, OsftConfig, Scaling, ShareRule, Shrinkage,
    TokenLength,
};

/// Eigenvalues of `XᵀX / n`, descending, from the singular values in f64.
fn spectrum(x: &Mat<f64>) -> Vec<f64> {
    let values = svd(x).S().column_vector().to_owned();
    values.iter().map(|s| s * s / x.nrows() as f64).collect()
}

/// The fewest of these energies that are a share of the total.
fn fewest(energies: &[f64], share: f64, total: f64) -> usize {
    let sums = energies.iter().scan(0.0, |sum, energy| {
        let before = *sum;
        *sum += energy;
        Some(before)
    });
    sums.take_while(|before| *before < share * total).count()
}

#[test]
fn first_tokens_are_left_out_and_their_mean_does_not_move() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for sketched in [false, true] {
            let network = Network::new(&device);
            let x = with_sinks(5, &device);
            let config = skipping(energy(0.95), 1);
            let base = calibrated(&network, &config, &x, sketched);
            let osft = split(&network, &config, &base);
            let case = format!("{backend}, sketched {sketched}");

            // In f64: the others, and the others beside the direction of the mean.
            let first: Vec<usize> = starts().collect();
            let others = chosen(&host(&x.clone().inner()), |row| !first.contains(&row));
            let mean = mean_of_first(&x);
            let direction = &mean * faer::Scale(1.0 / mean.norm_l2());
            let beside = &others - (&others * direction.transpose()) * &direction;
            let trace = others.squared_norm_l2() / others.nrows() as f64;
            let found = base.moment("left.weight").unwrap().trace();
            // Sums of f32 products.
            assert!(
                (found / trace - 1.0).abs() < 1e-5,
                "{case}: {found} {trace}"
            );
            let energies = spectrum(&beside);
            let layer = &osft.layers()[0];
            if !sketched {
                let expected = 1 + fewest(&energies, 0.95, energies.iter().sum());
                assert_eq!(layer.k_in, expected, "{case}");
            }
            assert!(layer.k_in > 1 && layer.k_in < WIDTH, "{case}");

            // With them, the first tokens' energy alone is more than the rule asks for.
            let plain = energy(0.95);
            let all = calibrated(&network, &plain, &x, sketched);
            assert_eq!(split(&network, &plain, &all).layers()[0].k_in, 1, "{case}");

            let mean = tensor(&mean, &device);
            let before = host(&network.left.forward(mean.clone()).inner());
            let network = train(network, &osft, &device);
            let after = host(&network.left.forward(mean).inner());
            // f32 rounding of sixteen products of numbers up to 40.
            assert!((after - before).norm_max() < 1e-4, "{case}");
            assert!(
                osft.leaks(&network).unwrap().worst().leak_in < 1e-5,
                "{case}"
            );
        }
    }
}

#[test]
fn first_tokens_of_every_source_are_held_back_entirely_by_every_scaling_and_combination() {
    let device = Device::flex().autodiff();
    let scaled = |scaling| energy(0.9).with_scaling(scaling);
    let union = |config: OsftConfig| config.with_combine(Combine::Union);
    for config in [
        energy(0.9),
        scaled(Scaling::Ridge),
        scaled(Scaling::Scaled),
        union(energy(0.9)),
        union(scaled(Scaling::Scaled)),
        // No direction beside the first tokens', and all of them.
        energy(0.0),
        energy(1.0),
        scaled(Scaling::Ridge).with_protected_share(0.0),
    ] {
        let config = skipping(config, 2);
        let network = Network::new(&device);
        let sources = [with_sinks(5, &device), with_sinks(60, &device)];
        let [first, second] = sources
            .clone()
            .map(|x| calibrated(&network, &config, &x, false));
        let all = Calibration::joined(None, first, &config, 0, 3).unwrap();
        let all = Calibration::joined(Some(all), second, &config, 0, 3).unwrap();
        let osft = split(&network, &config, &all);
        let layer = &osft.layers()[0];
        // Two positions of each of two sources.
        assert!(layer.k_in >= 4, "{config:?}: {}", layer.k_in);
        let start = network.clone();
        let network = train(network, &osft, &device);
        for x in sources {
            let mean = tensor(&mean_of_first(&x), &device);
            let before = host(&start.left.forward(mean.clone()).inner());
            let after = host(&network.left.forward(mean).inner());
            assert!((after - before).norm_max() < 1e-4, "{config:?}");
        }
        let moved = host(&(network.left.weight.val() - start.left.weight.val()).inner());
        assert!(layer.k_in == WIDTH || moved.norm_l2() > 1e-2, "{config:?}");
    }
}

#[test]
fn tokens_of_one_length_count_the_same() {
    for (backend, device) in backends() {
        let network = Network::new(&device);
        let x = with_sinks(5, &device);
        let own = host(&x);
        let length = |row: usize| own.row(row).norm_l2();
        let unit = Mat::from_fn(own.nrows(), WIDTH, |i, j| own[(i, j)] / length(i));
        let mean = (0..own.nrows()).map(length).sum::<f64>() / own.nrows() as f64;
        for (tokens, expected) in [
            (TokenLength::Own, own.clone()),
            (TokenLength::Unit, unit.clone()),
            (TokenLength::Mean, &unit * faer::Scale(mean)),
        ] {
            let moment = MomentConfig::default().with_tokens(tokens);
            let config = energy(0.9).with_moment(moment);
            let base = calibrated(&network, &config, &x, false);
            let osft = split(&network, &config, &base);
            let layer = &osft.layers()[0];
            let energies = spectrum(&expected);
            assert_eq!(layer.k_in, fewest(&energies, 0.9, energies.iter().sum()));
            for (found, expected) in layer.energies.iter().zip(&energies) {
                // f32 rounding of the inputs, relative to the largest energy.
                let error = (found - expected).abs() / energies[0];
                assert!(error < 1e-6, "{backend} {tokens:?}: {found} {expected}");
            }
        }
    }
}

/// `b²` of Ledoit and Wolf, token by token.
fn variance(x: &Mat<f64>) -> f64 {
    let n = x.nrows() as f64;
    let sum = x.transpose() * x * faer::Scale(1.0 / n);
    let errors = x.row_iter().map(|row| {
        let product = Mat::from_fn(WIDTH, WIDTH, |i, j| row[i] * row[j]);
        (product - &sum).squared_norm_l2()
    });
    errors.sum::<f64>() / (n * n)
}

#[test]
fn shrinkage_changes_how_many_directions_a_hard_split_protects_and_not_which() {
    let device = Device::flex();
    let network = Network::new(&device);
    // Two sources, the second with three times the weight.
    let sources = [inputs(5, 30, &device), inputs(6, 20, &device)];
    let shrunk =
        |shrinkage| energy(0.9).with_moment(MomentConfig::default().with_shrinkage(shrinkage));
    let calibration = |config: &OsftConfig| {
        let [first, second] = sources.clone().map(|x| {
            let calibrator = Calibrator::for_config(&network, config).unwrap();
            observed(calibrator, &network, "base", &[x])
        });
        let mut all = first;
        all.absorb(&second.with_weight(3.0).unwrap()).unwrap();
        all
    };
    let [first, second] = sources.clone().map(|x| host(&x));
    let sum = first.transpose() * &first * faer::Scale(0.25 / 30.0)
        + second.transpose() * &second * faer::Scale(0.75 / 20.0);
    let total: f64 = (0..WIDTH).map(|i| sum[(i, i)]).sum();
    let squared = variance(&first) * 0.25_f64.powi(2) + variance(&second) * 0.75_f64.powi(2);
    let from_equal = sum.squared_norm_l2() - total * total / WIDTH as f64;
    let weight = (squared / from_equal).min(1.0);
    assert!((0.01..0.9).contains(&weight), "{weight}");
    let own: Vec<f64> = svd(&sum).S().column_vector().iter().copied().collect();
    let mut counts = Vec::new();
    for (shrinkage, weight) in [
        (Shrinkage::None, 0.0),
        (Shrinkage::LedoitWolf, weight),
        (Shrinkage::Weight(0.7), 0.7),
        (Shrinkage::Weight(1.0), 1.0),
    ] {
        let config = shrunk(shrinkage);
        let osft = split(&network, &config, &calibration(&config));
        let layer = &osft.layers()[0];
        let moved = own
            .iter()
            .map(|e| (1.0 - weight) * e + weight * total / WIDTH as f64);
        let moved: Vec<f64> = moved.collect();
        for (found, expected) in layer.energies.iter().zip(&moved) {
            // f32 rounding of the sums.
            assert!((found - expected).abs() < 1e-5 * own[0], "{shrinkage:?}");
        }
        // All equal: the count is exact, whatever the rounding of the sum says.
        let expected = match weight == 1.0 {
            true => (0.9 * WIDTH as f64).ceil() as usize,
            false => fewest(&moved, 0.9, total),
        };
        assert_eq!(layer.k_in, expected, "{shrinkage:?}");
        counts.push(layer.k_in);

        // The same directions as a plain split that protects so many.
        let plain = energy(0.9).with_share_rule(ShareRule::count(layer.k_in));
        let target = ["left.weight".to_string()];
        let plain = plain.with_targets(target.clone());
        let context = calibration(&OsftConfig::new().with_targets(target.clone()));
        let plain = split(&network, &plain, &context);
        let shared = plain.layers()[0].protected_input_energy().unwrap();
        let found = layer.protected_input_energy().unwrap();
        assert!(
            (found - shared).abs() < 1e-6,
            "{shrinkage:?}: {found} {shared}"
        );
    }
    assert!(
        counts.windows(2).all(|pair| pair[0] <= pair[1]),
        "{counts:?}"
    );
    assert!(counts[0] < counts[3], "{counts:?}");
}

#[test]
fn the_bound_of_shrunk_scales_is_of_the_inputs_themselves() {
    let device = Device::flex().autodiff();
    for scaling in [Scaling::Ridge, Scaling::Scaled] {
        for sketched in [false, true] {
            let moment = MomentConfig::default().with_shrinkage(Shrinkage::Weight(0.5));
            let config = skipping(energy(0.9).with_scaling(scaling).with_moment(moment), 1);
            let network = Network::new(&device);
            let x = with_sinks(5, &device);
            let base = calibrated(&network, &config, &x, sketched);
            let osft = split(&network, &config, &base);
            let network = train(network, &osft, &device);
            let leaks = osft.leaks(&network).unwrap();
            let outputs = leaks.layers[0].outputs.unwrap();
            assert!(
                outputs.measured > 0.0 && outputs.measured <= outputs.bound,
                "{scaling:?} {outputs:?}"
            );
        }
    }
}
