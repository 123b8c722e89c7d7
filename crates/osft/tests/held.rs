//! The numbers that a split stores, predicted from shapes and counted from its tensors.

use crate::common::Mlp;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor};
use osft::{BasePrecision, Form, Osft, OsftConfig, ShareRule, Side};

#[test]
fn stored_numbers_are_predicted_without_a_decomposition() {
    let device = Device::flex().autodiff();
    let model = Mlp::new(41, &device);
    let forms = [
        (Form::Core, BasePrecision::Full),
        (Form::Core, BasePrecision::Bf16),
        (Form::Weight, BasePrecision::Full),
        (Form::Factored, BasePrecision::Full),
    ];
    for (form, precision) in forms {
        for share in [0.0, 0.1, 0.3, 0.5, 0.8, 1.0] {
            let config = OsftConfig::new()
                .with_form(form)
                .with_base_precision(precision)
                .with_protected_share(share);
            let planned = Osft::held_numbers_of(&model, &config).unwrap().unwrap();
            let osft = Osft::split(&model, &config).unwrap();
            let case = format!("{form:?} {precision:?} {share}");
            assert_eq!(osft.held_numbers(), planned, "{case}");
            let found = counted(&osft, &osft.prepare(model.clone()).unwrap());
            assert_eq!((planned.bases, planned.trained), found, "{case}");
            let weights = planned.weights + planned.bf16_weights;
            assert_eq!(weights, 16 * 16 + 16 * 40 + 40 * 12, "{case}");
            // A fully free weight trains beside the weight of the split. In the factored forms, the split
            // stores the weight and the initial factors beside the rest.
            let starts = match (form, share) {
                (Form::Factored, 1.0) => 0,
                (Form::Factored, _) => weights + planned.attached,
                (_, 0.0) => weights,
                _ => 0,
            };
            assert_eq!(planned.starts, starts, "{case}");
            let attached = if share == 0.0 && form != Form::Factored {
                0
            } else {
                planned.trained
            };
            assert_eq!(planned.attached, attached, "{case}");
        }
    }
    // Half of the bytes of the weights.
    let [full, bf16] = [BasePrecision::Full, BasePrecision::Bf16].map(|precision| {
        let config = OsftConfig::new().with_base_precision(precision);
        let stored = Osft::held_numbers_of(&model, &config).unwrap();
        stored.unwrap().bytes()
    });
    assert_eq!(full - bf16, 2 * (16 * 16 + 16 * 40 + 40 * 12));
    let energy = OsftConfig::new().with_share_rule(ShareRule::energy(0.9));
    assert_eq!(Osft::held_numbers_of(&model, &energy).unwrap(), None);
}

/// The number of values in the bases, and of values that track gradients, counted from the tensors.
fn counted(osft: &Osft, prepared: &Mlp) -> (usize, usize) {
    let numbers = |side: &Side| match side {
        Side::Free(basis) | Side::Protected(basis) | Side::Scaled(basis) => {
            basis.dims().iter().product()
        }
        Side::Open | Side::Closed => 0,
    };
    let bases = osft
        .layers()
        .iter()
        .map(|layer| numbers(&layer.constraint.input) + numbers(&layer.constraint.output))
        .sum();
    let closed: Vec<ParamId> = osft
        .layers()
        .iter()
        .filter(|layer| layer.constraint.is_closed())
        .map(|layer| layer.id)
        .collect();
    let mut count = Trained(closed, 0);
    prepared.visit(&mut count);
    (bases, count.1)
}

struct Trained(Vec<ParamId>, usize);

impl ModuleVisitor for Trained {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() && !self.0.contains(&param.id) {
            self.1 += param.base().shape().num_elements();
        }
    }
}
