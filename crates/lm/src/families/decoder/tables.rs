//! Rotary tables and what sees what: made once for a forward pass, shared by its blocks.

use burn::tensor::{Device, Tensor};

use super::block::Block;
use super::layout::{Layout, Visible};
use super::parts::{DecoderParts, LayerParts, Rotation};
use super::rope::Rope;
use crate::layers::{LayerCache, LinearApplier};

/// The tables of one forward pass.
pub(super) struct Tables {
    /// One for each rotation of the layers.
    ropes: Vec<(Rotation, Rope)>,
    /// One for each window of the layers.
    visible: Vec<(Option<usize>, Visible)>,
}

/// The tables of one layer.
#[derive(Clone, Copy)]
pub(super) struct LayerTables<'a> {
    /// `None` if the layer has no positions.
    pub rope: Option<&'a Rope>,
    pub visible: &'a Visible,
}

impl Tables {
    pub(super) fn new(parts: &DecoderParts, layout: &Layout, device: &Device) -> Self {
        let mut tables = Self {
            ropes: Vec::new(),
            visible: Vec::new(),
        };
        let positions = layout.positions();
        let groups = parts.attention.groups();
        for layer in &parts.layers {
            if let Some(rotation) = layer.rotation
                && tables.rope(&rotation).is_none()
            {
                let rope = Rope::new(&rotation, &positions, device);
                tables.ropes.push((rotation, rope));
            }
            if tables.visible(layer.window).is_none() {
                let visible = layout.visible(layer.window, groups, device);
                tables.visible.push((layer.window, visible));
            }
        }
        tables
    }

    /// Applies a block with the tables of its layer.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, tokens, hidden]`
    pub(super) fn apply(
        &self,
        layer: &LayerParts,
        block: &Block,
        x: Tensor<3>,
        cache: Option<&mut LayerCache>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let made = "invariant: there is a table for every layer";
        let tables = LayerTables {
            rope: layer
                .rotation
                .map(|rotation| self.rope(&rotation).expect(made)),
            visible: self.visible(layer.window).expect(made),
        };
        block.forward(x, tables, cache, applier)
    }

    fn rope(&self, wanted: &Rotation) -> Option<&Rope> {
        let mut ropes = self.ropes.iter();
        ropes.find_map(|(rotation, rope)| (rotation == wanted).then_some(rope))
    }

    fn visible(&self, wanted: Option<usize>) -> Option<&Visible> {
        let mut visible = self.visible.iter();
        visible.find_map(|(window, visible)| (*window == wanted).then_some(visible))
    }
}
