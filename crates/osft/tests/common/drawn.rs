//! Modules with many kinds of parts, and a snapshot of everything that must not change.

use std::collections::BTreeMap;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Embedding, EmbeddingConfig, LayerNorm,
    LayerNormConfig, Linear, LinearConfig, LinearLayout,
};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device, Int, Tensor, TensorData, activation::tanh};
use osft::{Form, Osft};

use super::{adamw, noise};

/// The parts of a module.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Widths between the layers: one more than there are layers.
    pub widths: Vec<usize>,
    /// For each layer, whether its weight is stored transposed.
    pub transposed: Vec<bool>,
    pub bias: bool,
    pub embedding: bool,
    pub convolution: bool,
    pub layer_norm: bool,
    pub batch_norm: bool,
    pub dropout: bool,
    /// Whether two places share the first layer.
    pub shared: bool,
    /// Index of a layer whose weight and bias are frozen.
    pub frozen: Option<usize>,
    pub dtype: DType,
}

impl Plan {
    /// All parts that were lost once during development: dropout, batch normalization, a weight that is
    /// stored transposed (square, so that its shape does not tell), a shared one, a frozen one.
    pub fn all_kinds() -> Self {
        Self {
            widths: vec![6, 6, 6, 5],
            transposed: vec![false, true, false],
            bias: true,
            embedding: true,
            convolution: true,
            layer_norm: true,
            batch_norm: true,
            dropout: true,
            shared: true,
            frozen: Some(2),
            dtype: DType::F32,
        }
    }
}

#[derive(Module, Debug)]
pub struct Drawn {
    pub embedding: Option<Embedding>,
    pub convolution: Option<Conv1d>,
    pub layers: Vec<Linear>,
    pub layer_norm: Option<LayerNorm>,
    pub batch_norm: Option<BatchNorm>,
    pub dropout: Option<Dropout>,
    pub shared: Option<Linear>,
}

const ROWS: usize = 12;

impl Drawn {
    /// Values are drawn on the host; the module is ready to train.
    pub fn new(plan: &Plan, seed: u64, device: &Device) -> Self {
        let module = Self::empty(plan, device);
        let mut module = module.map(&mut Fill {
            seed,
            dtype: plan.dtype,
        });
        module.shared = plan.shared.then(|| module.layers[0].clone());
        module.train()
    }

    /// An uninitialized module, into which a record is loaded. The record restores that two places share a
    /// parameter.
    pub fn empty(plan: &Plan, device: &Device) -> Self {
        let (first, last) = (plan.widths[0], *plan.widths.last().unwrap());
        let layer = |(index, ends): (usize, &[usize])| {
            let layout = match plan.transposed[index] {
                true => LinearLayout::Col,
                false => LinearLayout::Row,
            };
            LinearConfig::new(ends[0], ends[1])
                .with_bias(plan.bias)
                .with_layout(layout)
                .init(device)
        };
        let mut layers: Vec<Linear> = plan.widths.windows(2).enumerate().map(layer).collect();
        if let Some(frozen) = plan.frozen {
            layers[frozen] = layers[frozen].clone().no_grad();
        }
        let conv = || Conv1dConfig::new(1, 1, 1).init(device);
        Self {
            embedding: (plan.embedding).then(|| EmbeddingConfig::new(5, first).init(device)),
            convolution: plan.convolution.then(conv),
            layer_norm: (plan.layer_norm).then(|| LayerNormConfig::new(last).init(device)),
            batch_norm: (plan.batch_norm).then(|| BatchNormConfig::new(last).init(device)),
            dropout: plan.dropout.then(|| DropoutConfig::new(0.1).init()),
            shared: plan.shared.then(|| layers[0].clone()),
            layers,
        }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [rows, width] = x.dims();
        let mut x = x;
        if let Some(embedding) = &self.embedding {
            let ids: Vec<i32> = (0..rows as i32).map(|row| row % 5).collect();
            let ids = TensorData::new(ids, [rows, 1]);
            let ids = Tensor::<2, Int>::from_data(ids, &x.device());
            x = x + embedding.forward(ids).reshape([rows, width]);
        }
        if let Some(convolution) = &self.convolution {
            let image = x.reshape([rows, 1, width]);
            x = convolution.forward(image).reshape([rows, width]);
        }
        let beside = self.shared.as_ref().map(|layer| layer.forward(x.clone()));
        for layer in &self.layers {
            x = tanh(layer.forward(x));
        }
        if let Some(dropout) = &self.dropout {
            x = dropout.forward(x);
        }
        if let Some(norm) = &self.layer_norm {
            x = norm.forward(x);
        }
        if let Some(norm) = &self.batch_norm {
            x = norm.forward(x);
        }
        match beside {
            Some(beside) => x + beside.mean_dim(1),
            None => x,
        }
    }

    /// A step towards noise.
    pub fn step(self, osft: &Osft, optimizer: &mut ModuleOptimizer, rate: f64, seed: u64) -> Self {
        let grads = self.gradients(seed);
        optimizer.step(rate, self, osft.project(grads))
    }

    pub fn gradients(&self, seed: u64) -> GradientsParams {
        let weight = self.layers[0].weight.val();
        let ([width, _], last) = (weight.dims(), self.layers.last().unwrap().weight.dims()[1]);
        let data = |salt: u64, width: usize| {
            let values = noise(seed * 7 + salt, ROWS * width, 1.0);
            let values = TensorData::new(values, [ROWS, width]);
            Tensor::<2>::from_data(values, (&weight.device(), weight.dtype()))
        };
        let (x, y) = (data(1, width), data(2, last));
        let loss = (self.forward(x) - y).square().mean();
        GradientsParams::from_grads(loss.backward(), self)
    }
}

/// Two layers with biases and nothing else; the second one is stored transposed.
pub fn plan(dtype: DType) -> Plan {
    Plan {
        widths: vec![12, 16, 8],
        transposed: vec![false, true],
        bias: true,
        embedding: false,
        convolution: false,
        layer_norm: false,
        batch_norm: false,
        dropout: false,
        shared: false,
        frozen: None,
        dtype,
    }
}

/// Prepares a module and trains it for some steps.
pub fn trained(module: Drawn, osft: &Osft, rate: f64, steps: u64) -> Drawn {
    let mut optimizer = osft.optimizer(adamw()).unwrap();
    let module = osft.prepare(module).unwrap();
    (0..steps).fold(module, |module, seed| {
        module.step(osft, &mut optimizer, rate, seed)
    })
}

/// The largest leak that the form should prevent.
pub fn leaked(osft: &Osft, module: &Drawn) -> f64 {
    let worst = osft.leaks(module).unwrap().worst();
    match osft.config().form {
        Form::Weight => worst.leak_both,
        _ => worst.leak_in.max(worst.leak_out),
    }
}

struct Fill {
    seed: u64,
    dtype: DType,
}

impl ModuleMapper for Fill {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.seed += 1;
        let (seed, dtype) = (self.seed, self.dtype);
        // As in every layer: parameters of a layer that does not train stay frozen.
        param.map(|old| {
            let values = noise(seed, old.shape().num_elements(), 0.5);
            let values = TensorData::new(values, old.shape());
            Tensor::<D>::from_data(values, (&old.device(), dtype))
        })
    }
}

/// State of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    pub id: ParamId,
    pub trains: bool,
    pub dtype: DType,
    /// Value in use.
    pub values: Vec<f64>,
    /// Value in a record.
    pub saved: (Vec<usize>, Vec<f64>),
}

/// All parameters of a module by path, and training flags with their identities.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Everything {
    pub parameters: BTreeMap<String, Expected>,
    pub flags: BTreeMap<String, (ParamId, bool)>,
}

impl Everything {
    pub fn of<M: Module>(module: &M) -> Self {
        let mut look = Look::default();
        module.visit(&mut look);
        look.found
    }

    /// Asserts that everything but values is the same, and that only parameters that `may_move` accepts have
    /// other values.
    pub fn assert_kept(&self, before: &Self, may_move: &dyn Fn(&str) -> bool, case: &str) {
        assert_eq!(self.flags, before.flags, "{case}");
        let paths = |of: &Self| of.parameters.keys().cloned().collect::<Vec<_>>();
        assert_eq!(paths(self), paths(before), "{case}");
        for (path, entry) in &self.parameters {
            let before = &before.parameters[path];
            let rest = |of: &Expected| (of.id, of.trains, of.dtype, of.saved.0.clone());
            assert_eq!(rest(entry), rest(before), "{case}: {path}");
            if !may_move(path) {
                assert_eq!(entry, before, "{case}: {path}");
            }
        }
    }
}

#[derive(Default)]
struct Look {
    path: Vec<String>,
    found: Everything,
}

impl ModuleVisitor for Look {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values = |tensor: Tensor<D>| tensor.into_data().iter::<f64>().collect();
        let saved = param.transform_for_save().val();
        let entry = Expected {
            id: param.id,
            // The value after a change to validation.
            trains: param.clone().train().is_require_grad(),
            dtype: param.dtype(),
            values: values(param.val()),
            saved: (saved.dims().to_vec(), values(saved)),
        };
        self.found.parameters.insert(self.path.join("."), entry);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        let entry = (flag.id, flag.val().is_enabled());
        self.found.flags.insert(self.path.join("."), entry);
    }
}
