"""The answer to Estimate: what admission predicts, without admitting the request."""

from xapp.admission.admission import Admission
from xapp.admission.open_request import AdmissionRequest
from xapp.domain.answers import Estimate, Latencies
from xapp.domain.messages import Submit


def estimate(admission: Admission, request: AdmissionRequest, submit: Submit) -> Estimate:
    """The estimate for a tokenized request."""
    predictor = admission.predictor
    opened = predictor.open(request)
    predictor.tokenized(opened, submit.prompt, submit.max_tokens)
    prediction, refusal = admission.refusal(opened)
    # An admitted request ends by its deadline in any case.
    most_s = request.deadline - request.arrival if refusal is None else float("inf")
    median, high = prediction.median.within(most_s), prediction.high.within(most_s)
    return Estimate(
        num_prompt_tokens=len(submit.prompt),
        num_completion_tokens=prediction.num_tokens,
        queue=Latencies(median.queue_s, high.queue_s),
        time_to_first_token=Latencies(median.first_s, high.first_s),
        completion=Latencies(median.end_s, high.end_s),
        reason=refusal.reason if refusal is not None else "",
        retry_after_s=refusal.retry_after_s if refusal is not None else None,
    )
