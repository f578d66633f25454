"""What users asked, told again as they had it: the report must name the cause, and no other."""

import importlib
import pkgutil

import pytest

import netparity
from tests.cases import asked

QUESTIONS = sorted(found.name for found in pkgutil.iter_modules(asked.__path__))


@pytest.mark.filterwarnings("ignore:Using a target size", "ignore:Stochastic Optimizer")
@pytest.mark.parametrize("question", QUESTIONS)
def test_the_cause_is_named_and_no_other(question):
    case = importlib.import_module(f"tests.cases.asked.{question}")
    report = netparity.compare(case.left(), case.right(), data=case.data, steps=6)
    assert {cause.id for cause in report.causes} == case.EXPECTED
    assert report.unexplained == ()
    assert all(cause.fix.left or cause.fix.right for cause in report.causes)
