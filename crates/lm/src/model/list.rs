//! The list of families: one line for each makes a model type of any of them.

/// Makes an enum of model families that is itself a model: [`LanguageModel`](crate::LanguageModel),
/// [`Pretrained`](crate::Pretrained) and Burn's `Module`.
///
/// Every variant contains a [`Family`](crate::Family), or another [`Pretrained`](crate::Pretrained) model such as
/// [`Decoder`](crate::Decoder); `model_type` in `config.json` decides which. If two support the same one, the first is
/// used. Parameters have the paths of the inner model: the enum adds no level.
///
/// ```
/// lm::families! {
///     /// What this program reads.
///     pub enum Mine {
///         /// Decoder-only models.
///         Decoder(lm::Decoder),
///         /// Encoder-decoders.
///         T5(lm::T5),
///     }
/// }
///
/// # fn main() {
/// let folder = lm::HfFolder::open_for::<Mine>("my-model");
/// assert!(folder.is_err()); // There is none.
/// # }
/// ```
#[macro_export]
macro_rules! families {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$of_variant:meta])* $variant:ident($family:ty)),+ $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug)]
        $visibility enum $name {
            $($(#[$of_variant])* $variant($family)),+
        }

        impl $crate::Pretrained for $name {
            const FAMILIES: &'static [&'static $crate::FolderFormat] =
                &{
                    const LISTS: &[&[&$crate::FolderFormat]] =
                        &[$(<$family as $crate::Pretrained>::FAMILIES),+];
                    $crate::__private::joined::<{ $crate::__private::count(LISTS) }>(LISTS)
                };

            fn from_config(
                config: &$crate::__private::Value,
                path: &::std::path::Path,
                device: &$crate::__private::burn::tensor::Device,
            ) -> ::std::result::Result<Self, $crate::LmError> {
                // Refuses a `model_type` that no family supports.
                $crate::FolderFormat::of_config(Self::FAMILIES, config, path)?;
                $(if <$family as $crate::Pretrained>::FAMILIES
                    .iter()
                    .any(|format| format.reads(config))
                {
                    let model = <$family as $crate::Pretrained>::from_config(config, path, device)?;
                    return ::std::result::Result::Ok(Self::$variant(model));
                })+
                unreachable!("invariant: a format of the list reads the configuration")
            }
        }

        impl $crate::LanguageModel for $name {
            fn target_count(&self, example: &$crate::Example) -> usize {
                match self {
                    $(Self::$variant(model) => model.target_count(example)),+
                }
            }

            fn can_pack(&self) -> bool {
                match self {
                    $(Self::$variant(model) => model.can_pack()),+
                }
            }

            fn answer_loss(
                &self,
                examples: &[$crate::Example],
            ) -> ($crate::__private::burn::tensor::Tensor<1>, usize) {
                match self {
                    $(Self::$variant(model) => model.answer_loss(examples)),+
                }
            }

            fn answer_log_probabilities_mapped(
                &self,
                examples: &[$crate::Example],
                map: &dyn $crate::LinearMap,
            ) -> $crate::__private::burn::tensor::Tensor<2> {
                match self {
                    $(Self::$variant(model) => model.answer_log_probabilities_mapped(examples, map)),+
                }
            }

            fn answer_gradients(
                &self,
                examples: &[$crate::Example],
                how: $crate::Backpropagation<'_>,
                sink: &mut $crate::GradientSink<'_>,
            ) -> f64 {
                match self {
                    $(Self::$variant(model) => model.answer_gradients(examples, how, sink)),+
                }
            }

            fn observe(
                &self,
                examples: &[$crate::Example],
                observer: &mut dyn $crate::Observer,
            ) {
                match self {
                    $(Self::$variant(model) => model.observe(examples, observer)),+
                }
            }

            fn generate_behind(
                &self,
                prefix: &[u32],
                prompts: &[::std::vec::Vec<u32>],
                options: &$crate::GenerationOptions,
                ended: &mut dyn FnMut(usize, &[u32]) -> bool,
            ) -> ::std::vec::Vec<::std::vec::Vec<u32>> {
                match self {
                    $(Self::$variant(model) => {
                        model.generate_behind(prefix, prompts, options, ended)
                    }),+
                }
            }

            fn token_losses(
                &self,
                prefix: &[u32],
                rows: &[::std::vec::Vec<u32>],
            ) -> $crate::TokenLosses {
                match self {
                    $(Self::$variant(model) => model.token_losses(prefix, rows)),+
                }
            }

            fn continuation_losses(
                &self,
                prefix: &[u32],
                prompts: &[::std::vec::Vec<u32>],
                continuations: &[::std::vec::Vec<u32>],
            ) -> ::std::vec::Vec<::std::vec::Vec<::std::vec::Vec<f32>>> {
                match self {
                    $(Self::$variant(model) => {
                        model.continuation_losses(prefix, prompts, continuations)
                    }),+
                }
            }

            fn own_examples(
                &self,
                first: &[u32],
                tokens: usize,
                ends: &[u32],
                seed: u64,
            ) -> ::std::vec::Vec<$crate::Example> {
                match self {
                    $(Self::$variant(model) => model.own_examples(first, tokens, ends, seed)),+
                }
            }

            fn continued_examples(
                &self,
                beginnings: &[::std::vec::Vec<u32>],
                tokens: usize,
                ends: &[u32],
                seed: u64,
            ) -> ::std::vec::Vec<$crate::Example> {
                match self {
                    $(Self::$variant(model) => model.continued_examples(beginnings, tokens, ends, seed)),+
                }
            }
        }

        $crate::__module_of_families!($name { $($variant),+ });
    };
}

/// Burn's `Module` for an enum of [`families!`](macro@crate::families), written by hand: the derived implementation
/// would add the variant's name to every path.
#[doc(hidden)]
#[macro_export]
macro_rules! __module_of_families {
    ($name:ident { $($variant:ident),+ }) => {
        const _: () = {
            use $crate::__private::burn::module::{
                Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
                ModuleVisitor,
            };
            use $crate::__private::burn::tensor::Device;

            impl Module for $name {
                fn collect_devices(&self, devices: Devices) -> Devices {
                    match self {
                        $(Self::$variant(model) => model.collect_devices(devices)),+
                    }
                }

                fn fork(self, device: &Device) -> Self {
                    match self {
                        $(Self::$variant(model) => Self::$variant(model.fork(device))),+
                    }
                }

                fn to_device(self, device: &Device) -> Self {
                    match self {
                        $(Self::$variant(model) => Self::$variant(model.to_device(device))),+
                    }
                }

                fn visit<Visitor: ModuleVisitor>(&self, visitor: &mut Visitor) {
                    match self {
                        $(Self::$variant(model) => model.visit(visitor)),+
                    }
                }

                fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
                    match self {
                        $(Self::$variant(model) => Self::$variant(model.map(mapper))),+
                    }
                }

                fn valid(&self) -> Self {
                    match self {
                        $(Self::$variant(model) => Self::$variant(model.valid())),+
                    }
                }

                fn train(self) -> Self {
                    match self {
                        $(Self::$variant(model) => Self::$variant(model.train())),+
                    }
                }

                fn materialize(self) -> Self {
                    match self {
                        $(Self::$variant(model) => Self::$variant(model.materialize())),+
                    }
                }
            }

            impl ModuleDisplayDefault for $name {
                fn content(&self, content: Content) -> ::std::option::Option<Content> {
                    match self {
                        $(Self::$variant(model) => {
                            ModuleDisplayDefault::content(model, content)
                        }),+
                    }
                }
            }

            impl ModuleDisplay for $name {}
        };
    };
}
