"""Optimizers through TensorFlow's fused kernels, their schedules, and Lookahead."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="ablation")
class FusedAdadelta(keras.optimizers.Adadelta):
    """Keras's Adadelta, each variable updated by one kernel instead of a dozen operations.

    Source: M. D. Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012, algorithm 1;
    tf.raw_ops.ResourceApplyAdadelta.
    """

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdadelta(
            var=variable.handle,
            accum=self._accumulated_grads[index].value.handle,
            accum_update=self._accumulated_delta_vars[index].value.handle,
            lr=learning_rate,
            rho=self.rho,
            epsilon=self.epsilon,
            grad=gradient,
        )


@keras.saving.register_keras_serializable(package="ablation")
class NesterovSGD(keras.optimizers.Optimizer):
    """Stochastic gradient descent with Nesterov momentum, each variable updated by one kernel.

    v = momentum v + g; variable -= learning_rate (g + momentum v), where g is the gradient, times
    bias_factor if the variable is the offset of a BatchNorm, plus l2 times the variable. Keras's SGD
    has the learning rate inside of v, which is the same only while that does not change.

    Source: I. Sutskever et al., "On the importance of initialization and momentum in deep learning",
    2013, in the form of tf.raw_ops.ResourceApplyMomentum.
    """

    def __init__(self, learning_rate, momentum, l2, bias_factor, name="nesterov_sgd", **options):
        super().__init__(learning_rate=learning_rate, name=name, **options)
        self.momentum, self.l2, self.bias_factor = momentum, l2, bias_factor

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._velocities = self.add_optimizer_variables(variables, "velocity")

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        factor = self.bias_factor if self._trainable_variables[index].name == "beta" else 1.0
        tf.raw_ops.ResourceApplyMomentum(
            var=variable.handle,
            accum=self._velocities[index].value.handle,
            lr=learning_rate,
            grad=factor * gradient + self.l2 * variable,
            momentum=self.momentum,
            use_nesterov=True,
        )

    def get_config(self):
        own = {"momentum": self.momentum, "l2": self.l2, "bias_factor": self.bias_factor}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="ablation")
class Triangular(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises in a line from 0.2 of its peak, reached after 23% of the steps, and falls to 0.07.

    Source: K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, listing 4.
    """

    def __init__(self, peak, steps):
        self.peak, self.steps = peak, steps

    def __call__(self, step):
        summit = max(int(0.23 * self.steps), 1)
        step = tf.cast(step, tf.float32)
        rising = 0.2 + 0.8 * step / summit
        falling = 1 - 0.93 * (step - summit) / max(self.steps - summit, 1)
        return self.peak * tf.where(step < summit, rising, tf.maximum(falling, 0.07))

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps}


def optimizer_of(spec, steps):
    """Return the optimizer of a ModelSpec for a training of `steps` steps.

    With the schedule inverse_time the learning rate is learning_rate / (1 + decay t) after t steps, as
    Keras 2's `decay` had it. Keras 3 ignores `decay` with a warning; inverse-time decay in steps of one
    batch is its exact equivalent.
    """
    if spec.schedule == "triangular":
        schedule = Triangular(spec.learning_rate, steps)
    else:
        schedule = keras.optimizers.schedules.InverseTimeDecay(spec.learning_rate, 1, spec.decay)
    if spec.optimizer == "sgd":
        return NesterovSGD(schedule, spec.momentum, spec.weight_decay, spec.bias_factor)
    return FusedAdadelta(schedule, rho=0.95, epsilon=1e-7)


class Lookahead:
    """Slow weights that follow the weights, which every few steps return to them.

    Every `every` steps, and after the last, slow += (1 - a) (weights - slow) and weights = slow, where
    a = 0.95^every (t / steps)^3 after t steps: near to none at first, an average over some tens of steps in the end.

    Source: M. Zhang et al., "Lookahead Optimizer: k steps forward, 1 step back", 2019; a as in K. Jordan,
    "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, section 3.4.
    """

    def __init__(self, variables, every, steps):
        self.fast = [variable for variable in variables if variable.dtype == "float32"]
        self.slow = [keras.Variable(variable.numpy(), trainable=False, dtype="float32") for variable in self.fast]
        self.every, self.steps = every, steps

    def follow(self, step):
        """Average where step, an int tensor that counts from 1, is one of those; to be called in every step."""
        tf.cond((step % self.every == 0) | (step == self.steps), lambda: self._average(step), lambda: None)

    def _average(self, step):
        kept = 0.95**self.every * (tf.cast(step, tf.float32) / self.steps) ** 3
        for fast, slow in zip(self.fast, self.slow, strict=True):
            slow.assign_add((1 - kept) * (fast.value - slow.value))  # exactly nothing where they are equal
            fast.assign(slow.value)
