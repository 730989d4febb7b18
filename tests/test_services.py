"""The test services themselves."""

import math
import smtplib
import threading

import pytest
from kombu import Connection, Queue
from kombu.transport.native_delayed_delivery import level_name

from mailqueue.broker.message import body_of
from mailqueue.broker.publish import publisher
from mailqueue.demo.answers import DROP, KEEP_AND_DROP, Stall
from mailqueue.demo.sink import Sink
from tests import services
from tests.project_app import project_app


def test_a_queue_is_gone_after_its_test(broker_url: str) -> None:
    with services.queue_on(broker_url) as name, Connection(broker_url) as connection:
        with connection.SimpleQueue(name) as queue:
            queue.put("x")
        Queue(name, channel=connection).queue_declare(passive=True)
    with Connection(broker_url) as connection, pytest.raises(connection.channel_errors):
        Queue(name, channel=connection).queue_declare(passive=True)


@pytest.mark.broker
@pytest.mark.rabbitmq
def test_what_waits_for_a_queue_goes_with_it(rabbitmq_url: str) -> None:
    """What waits for another one stays."""
    with services.queue_on(rabbitmq_url) as kept, project_app(rabbitmq_url):
        with services.queue_on(rabbitmq_url) as name:
            for queue in (name, kept):
                publisher().task(body_of("x"), queue=queue, priority=None, countdown=3000)
            assert delayed(rabbitmq_url, name) == delayed(rabbitmq_url, kept) == 1
        assert delayed(rabbitmq_url, name) == 0
        assert delayed(rabbitmq_url, kept) == 1


def delayed(url: str, name: str) -> int:
    """Count what lies in the delay queue of waits of 34 to 68 minutes for the queue `name`."""
    with Connection(url) as connection:
        channel = connection.channel()
        found = iter(lambda: channel.basic_get(level_name(11)), None)
        keys = [message.delivery_info["routing_key"] for message in found]
        channel.close()  # all goes back
    return sum(key.endswith(f".{name}") for key in keys)


def send(sink: Sink, *recipients: str) -> dict[str, tuple[int, bytes]]:
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
        return client.sendmail("from@example.test", recipients, b"Subject: hi\r\n\r\n.dot\r\n")


class TestSink:
    def test_keeps_what_it_takes(self, sink: Sink) -> None:
        send(sink, "a@example.test", "b@example.test")
        (mail,) = sink.mails
        assert mail.recipients == ("a@example.test", "b@example.test")
        assert mail.message["Subject"] == "hi"
        assert mail.message.get_content().strip() == ".dot"

    def test_greylists_one_recipient_once(self, sink: Sink) -> None:
        sink.answer("RCPT", "451 4.7.1 later", to="grey@example.test")
        assert send(sink, "a@example.test", "grey@example.test") == {
            "grey@example.test": (451, b"4.7.1 later")
        }
        send(sink, "grey@example.test")
        assert sink.attempts["grey@example.test"] == 2
        assert sink.copies() == {"a@example.test": 1, "grey@example.test": 1}

    def test_refuses_for_ever(self, sink: Sink) -> None:
        sink.answer("MAIL", "550 5.7.1 no", times=math.inf)
        for _ in range(3):
            with pytest.raises(smtplib.SMTPSenderRefused):
                send(sink, "a@example.test")

    @pytest.mark.parametrize("stage", ["EHLO", "MAIL", "RCPT", "DATA", "DOT"])
    def test_drops_the_connection_once(self, sink: Sink, stage: str) -> None:
        sink.answer(stage, DROP)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(sink, "a@example.test")
        assert sink.mails == []
        send(sink, "a@example.test")
        assert [mail.connection for mail in sink.mails] == [2]

    def test_keeps_the_mail_but_loses_the_reply(self, sink: Sink) -> None:
        sink.answer("DOT", KEEP_AND_DROP)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(sink, "a@example.test")
        assert len(sink.mails) == 1

    def test_stalls_until_released(self, sink: Sink) -> None:
        stall = Stall()
        sink.answer("DOT", stall)
        client = threading.Thread(target=send, args=(sink, "a@example.test"))
        client.start()
        assert stall.reached.wait(10)
        assert sink.mails == []
        stall.release()
        sink.wait(lambda: len(sink.mails) == 1)
        client.join()
