"""What two programs of a handover hear of each other over a real socket pair."""

from collector.supervision.handover_link import Alive, Connected, Failed, Gone, Link, Stored


def pair() -> tuple[Link, Link]:
    ours, theirs = Link.pair()
    return ours, Link(theirs)


def test_messages_come_whole_and_in_order_however_the_socket_cuts_them() -> None:
    ours, theirs = pair()
    long = Gone(notes=["x" * 1_000_000])
    for message in (Connected(), long, Stored()):
        ours.send(message)
    heard = list(theirs.receive())
    for _ in range(100):
        ours.send(Alive())  # what the socket had no room for goes on with it
        heard += theirs.receive()
    assert [message for message in heard if not isinstance(message, Alive)] == [Connected(), long, Stored()]
    assert not theirs.is_closed


def test_what_was_said_before_the_end_is_heard_and_then_that_it_ended() -> None:
    ours, theirs = pair()
    ours.send(Failed(reason="no room"))
    ours.close()
    assert list(theirs.receive()) == [Failed(reason="no room")]
    assert theirs.is_closed
    theirs.send(Connected())  # nobody hears it
    assert list(theirs.receive()) == []


def test_a_message_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    ours, theirs = pair()
    ours._end.send(b'{"type":"Alive","waits_for":"a star","new":[1]}\n')
    assert list(theirs.receive()) == [Alive(waits_for="a star")]


def test_who_speaks_another_language_counts_as_gone() -> None:
    for text in (b"\xff\xfe\n", b'{"type":"Unheard"}\n', b"[]\n"):
        ours, theirs = pair()
        ours._end.send(text)
        assert list(theirs.receive()) == []
        assert theirs.is_closed
