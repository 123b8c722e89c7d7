//! The identities of a module's parameters, by which optimizers and splits find them.
//!
//! Every process draws new identities, so a process that resumes a run takes over the saved ones.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, Int, Tensor};

/// Collects the identities of all parameters, in the module's order.
pub(crate) fn identities<M: Module>(module: &M) -> Vec<u64> {
    struct Collect(Vec<u64>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.id.val());
        }
        fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
            self.0.push(param.id.val());
        }
        fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
            self.0.push(param.id.val());
        }
    }
    let mut collect = Collect(Vec::new());
    module.visit(&mut collect);
    collect.0
}

/// Gives a module's parameters saved identities; `None` if the number of parameters differs.
pub(crate) fn with_identities<M: Module>(module: M, identities: &[u64]) -> Option<M> {
    struct Assign<'a>(std::slice::Iter<'a, u64>);
    impl Assign<'_> {
        fn next(&mut self, current: ParamId) -> ParamId {
            self.0.next().map_or(current, |&id| ParamId::from(id))
        }
    }
    impl ModuleMapper for Assign<'_> {
        fn map_float<const D: usize>(&mut self, mut param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.id = self.next(param.id);
            param
        }
        fn map_int<const D: usize>(
            &mut self,
            mut param: Param<Tensor<D, Int>>,
        ) -> Param<Tensor<D, Int>> {
            param.id = self.next(param.id);
            param
        }
        fn map_bool<const D: usize>(
            &mut self,
            mut param: Param<Tensor<D, Bool>>,
        ) -> Param<Tensor<D, Bool>> {
            param.id = self.next(param.id);
            param
        }
    }
    if self::identities(&module).len() != identities.len() {
        return None;
    }
    Some(module.map(&mut Assign(identities.iter())))
}
