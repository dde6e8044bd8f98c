"""Any model as a policy: what others have trained, or what was trained elsewhere, in `hocket.run`.

Three kinds of models answer the questions of an `Asking` policy:

- whatever has ``predict(observation, deterministic=True) -> (action, state)`` and an
  `observation_space`, as the models of Stable-Baselines3 do: it gets the padded observations of
  `hocket.learn.env`, and ``action_masks`` if it takes them
- a PyTorch module that takes `hocket.learn.network.Tensors` and returns the score of each action,
  alone or as `Scores`
- a function from a `Batch` to the score of each action
"""

from __future__ import annotations

import hashlib
import inspect
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from hocket.core.errors import IllegalDecision, UserError
from hocket.core.load import load_policy
from hocket.core.policy import Policy, spec
from hocket.core.streams import Streams
from hocket.learn.asking import Asking, Question
from hocket.learn.batch import Batch
from hocket.learn.sampling import greedy

Answer = Callable[[Batch], int]


class Modelled(Policy, frozen=True, dict=True):
    """Questions of a policy, answered by a model. `as_policy` makes one.

    `model` tells the model from others, `asking` is the policy that asks, as plain data. The model
    itself is no field: it cannot be written to a file.
    """

    model: str
    asking: dict[str, Any]

    @property
    def name(self) -> str:  # type: ignore[override]  # of the policy that asks
        """What the policy that asks is called."""
        return str(self.asking["policy"])

    @property
    def problems(self) -> tuple[str, ...]:  # type: ignore[override]  # of the policy that asks
        """What it can schedule."""
        return self._parts()[1].problems

    def __str__(self) -> str:
        """The policy that asks, and the model that answers."""
        return f"{self._parts()[1]} + {self.model}" if "_kept" in self.__dict__ else self.name

    def refuses(self, scenario: Any) -> str:
        """See Policy.refuses."""
        return self._parts()[1].refuses(scenario)

    def begin(self, scenario: Any, streams: Streams) -> Any:
        """See Policy.begin. Takes what the model thinks best. The module is set to evaluation."""
        model, asking = self._parts()
        answer = _answer(model)

        def choose(question: Question) -> int:
            mask = question.batch.mask
            if np.count_nonzero(mask) == 1:
                return int(mask.argmax())
            row = answer(question.batch)
            if not (0 <= row < len(mask) and mask[row]):
                legal = ", ".join(map(str, np.flatnonzero(mask)[:10].tolist()))
                why = f"of {len(mask)} rows these may be chosen: {legal}"
                raise IllegalDecision(str(self), question.time, f"row {row}", why)
            return row

        return asking.decider(scenario, streams, choose)

    def _parts(self) -> tuple[Any, Asking]:
        if "_kept" not in self.__dict__:
            raise UserError(f"{self} has no model: make it with hocket.learn.models.as_policy")
        kept: tuple[Any, Asking] = self.__dict__["_kept"]
        return kept

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        model, asking = self._parts()
        try:
            packed = pickle.dumps(model)
        except Exception as error:
            raise UserError(
                f"the model {self.model} cannot be sent to another process "
                f"({type(error).__name__}: {error}): run it in this one, with one worker"
            ) from error
        return _revive, (packed, asking, self.model)


def as_policy(model: Any, asking: Asking | str, label: str = "") -> Modelled:
    """A policy that puts the questions of `asking` (a policy or its name) and does as `model` says.

    Two models are told apart by `label`, by default the name of the class and a digest of the
    weights. The model is not copied: do not go on training it while the policy is in use.

    Raises UserError for a model of no known kind, and for one without weights or label.
    """
    asked = load_policy(asking) if isinstance(asking, str) else asking
    if not isinstance(asked, Asking):
        raise UserError(f"{asked.name} puts no questions that a model could answer")
    _answer(model)
    policy = Modelled(model=label or _label(model), asking=spec(asked))
    policy.__dict__["_kept"] = (model, asked)
    return policy


def _revive(packed: bytes, asking: Asking, label: str) -> Modelled:
    return as_policy(pickle.loads(packed), asking, label)


def _answer(model: Any) -> Answer:
    """The model as a function from a question to a row."""
    if hasattr(model, "predict"):
        return _by_prediction(model)
    if _is_module(model):
        return _by_module(model)
    if callable(model):
        return lambda batch: int(greedy(np.asarray(model(batch)), batch)[0])
    raise UserError(
        f"a {type(model).__name__} answers no questions: it needs predict(observation), or to be "
        "a PyTorch module or a function that scores the actions of a batch"
    )


def _by_prediction(model: Any) -> Answer:
    from gymnasium import spaces

    from hocket.learn.observe import padded, wide_mask

    space = getattr(model, "observation_space", None)
    if not isinstance(space, spaces.Dict):
        raise UserError(
            f"the model takes observations of {space}: train it on "
            'hocket.learn.env.Environment(..., observation="padded")'
        )
    masked = "action_masks" in inspect.signature(model.predict).parameters

    def answer(batch: Batch) -> int:
        observation = padded(batch, space)
        masks = {"action_masks": wide_mask(batch, len(observation["mask"]))} if masked else {}
        action, _ = model.predict(observation, deterministic=True, **masks)
        return int(action)

    return answer


def _by_module(module: Any) -> Answer:
    import torch

    from hocket.learn.network import Scores, tensors

    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    module.eval()

    def answer(batch: Batch) -> int:
        with torch.inference_mode():
            found = module(tensors(batch, device))
        logits = found.logits if isinstance(found, Scores) else found
        return int(greedy(logits.cpu().numpy(), batch)[0])

    return answer


def _is_module(model: Any) -> bool:
    """Whether it is a PyTorch module; where PyTorch was never imported, nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def _label(model: Any) -> str:
    """The name of the class and eight digits that tell these weights from others."""
    module = model if _is_module(model) else getattr(model, "policy", None)
    if not _is_module(module) or module is None:
        raise UserError("this model has no weights to tell it from others by: give a label")
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return f"{type(model).__name__}-{digest.hexdigest()[:8]}"
