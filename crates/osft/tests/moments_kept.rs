//! Moments that are not the plain sum: in files, and with splits that ask for others.

use crate::common::network::{Network, energy, inputs, split};
use crate::common::sinks::{calibrated, skipping, with_sinks};
use burn::tensor::Device;
use osft::{
    Calibration, Calibrator, MomentConfig, Osft, OsftError, Shrinkage, SplitContext, TokenLength,
};

#[test]
fn what_such_moments_have_survives_a_file_and_plain_ones_are_written_as_before() {
    let device = Device::flex();
    let network = Network::new(&device);
    let x = with_sinks(5, &device);
    let moment = MomentConfig::default().with_shrinkage(Shrinkage::LedoitWolf);
    let config = skipping(energy(0.9).with_moment(moment), 2);
    for sketched in [false, true] {
        let base = calibrated(&network, &config, &x, sketched);
        let bytes = base.to_bytes().unwrap();
        let loaded = Calibration::from_bytes(&bytes).unwrap();
        assert_eq!(loaded, base);
        assert_eq!(loaded.to_bytes().unwrap(), bytes);
        let osft = split(&network, &config, &base);
        assert_eq!(
            split(&network, &config, &loaded).to_string(),
            osft.to_string()
        );
        // A split that is loaded finds its moments, and no others.
        let context = SplitContext::new().with_calibration(&loaded);
        let saved = osft.to_bytes().unwrap();
        let back = Osft::from_bytes(&saved, &network, &context).unwrap();
        assert_eq!(back.to_string(), osft.to_string());
        let without = skipping(config.clone(), 0);
        let other = calibrated(&network, &without, &x, sketched);
        let context = SplitContext::new().with_calibration(&other);
        let error = Osft::from_bytes(&saved, &network, &context).unwrap_err();
        assert!(
            matches!(error, OsftError::OtherCalibration { .. }),
            "{error}"
        );

        // A weight of the shrinkage is only read at the split: the file is that of a plain calibration.
        let given = MomentConfig::default().with_shrinkage(Shrinkage::Weight(0.3));
        let given = calibrated(&network, &energy(0.9).with_moment(given), &x, sketched);
        let plain = calibrated(&network, &energy(0.9), &x, sketched);
        assert_eq!(given, plain);
        let version = |calibration: &Calibration| {
            let bytes = calibration.to_bytes().unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let (_, rest) = text.split_once("format_version\\\":").unwrap();
            rest.chars().next().unwrap()
        };
        assert_eq!((version(&plain), version(&base)), ('4', '7'));
    }
}

#[test]
fn moments_that_were_summed_in_another_way_are_refused() {
    let device = Device::flex();
    let network = Network::new(&device);
    let x = with_sinks(5, &device);
    let plain = energy(0.9);
    let unit = energy(0.9).with_moment(MomentConfig::default().with_tokens(TokenLength::Unit));
    let wolf = MomentConfig::default().with_shrinkage(Shrinkage::LedoitWolf);
    let others = [
        skipping(plain.clone(), 1),
        unit,
        plain.clone().with_moment(wolf),
    ];
    let base = calibrated(&network, &plain, &x, false);
    for other in others {
        let context = SplitContext::new().with_calibration(&base);
        let error = Osft::split_in(&network, &other, &context).unwrap_err();
        assert!(matches!(error, OsftError::OtherMoments { .. }), "{error}");
        let measured = calibrated(&network, &other, &x, false);
        let error = base.clone().absorb(&measured).unwrap_err();
        assert!(error.to_string().contains("the plain sum"), "{error}");
    }
}

#[test]
fn rows_that_do_not_fit_or_leave_nothing_are_refused() {
    let device = Device::flex();
    let network = Network::new(&device);
    let x = inputs(5, 4, &device);
    let config = skipping(energy(0.9), 1);
    let outputs = [(network.left.weight.id, network.left.forward(x.clone()))];
    let mut calibrator = Calibrator::for_config(&network, &config).unwrap();
    for rows in [None, Some(vec![2, 1]), Some(vec![5])] {
        if let Some(rows) = &rows {
            calibrator.begin_rows(rows);
        }
        let error = calibrator.observe(&x, &outputs).unwrap_err();
        assert!(matches!(error, OsftError::OtherRows { .. }), "{error}");
        assert!(error.to_string().contains("begin_rows"), "{error}");
    }
    // Rows of one token each, and a row without any.
    calibrator.begin_rows(&[1, 1, 0, 1, 1]);
    network.observe(&mut calibrator, x.clone());
    let error = calibrator.finish("base", &network).unwrap_err();
    assert!(matches!(error, OsftError::NothingSummed { .. }), "{error}");

    // One token beside the first one is enough.
    let mut calibrator = Calibrator::for_config(&network, &config).unwrap();
    calibrator.begin_rows(&[1, 1, 2]);
    network.observe(&mut calibrator, x);
    let base = calibrator.finish("base", &network).unwrap();
    assert_eq!(base.sources()[0].tokens, 1);
    assert_eq!(split(&network, &config, &base).layers()[0].k_in, 2);
}
