from pools import call

from critique_graph.metrics.cost import SharedTime


def test_moments_are_shared_by_the_calls_in_flight():
    calls = [call(1, started=0, seconds=4), call(1, started=2, seconds=4), call(1, started=10, seconds=1)]
    time = SharedTime.of_calls(calls)

    assert [time.of(each) for each in calls] == [3.0, 3.0, 1.0]  # together the 7 s in which there was one


def test_call_of_an_older_version_has_no_share():
    old = call(1).model_copy(update={"started": None})

    assert SharedTime.of_calls([old, call(1, started=0, seconds=2)]).of(old) == 0.0
