import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config import Config, FeedConfig
from collector.config.keys import SHORT_NAMES, VARIABLES
from collector.config.load import load
from collector.domain.errors import ConfigError

ADAPTERS = {
    "binance": ("book_snapshot", "book_delta", "trade", "agg_trade", "book_ticker"),
    "kraken": ("book_delta", "trade"),
}
SECRET = "hunter2"

NAMES = st.sampled_from([*FeedConfig.__struct_fields__, "x\n"])
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(["trade", "A"])
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
ENVIRONMENTS = st.dictionaries(st.sampled_from([*VARIABLES, *SHORT_NAMES]), st.text(max_size=20), max_size=5)


def outcome(environment: Mapping[str, str]) -> tuple[Config | None, list[str]]:
    try:
        return load(None, environment, ADAPTERS), []
    except ConfigError as error:
        return None, error.problems


def loaded(folder: Path, toml: str, environment: Mapping[str, str] | None = None) -> Config:
    path = folder / "config.toml"
    path.write_text(toml, "utf-8")
    return load(path, environment or {}, ADAPTERS)


def faults(folder: Path, toml: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """The problems of a file, without its name."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, toml, environment)
    return [line.replace(f" (from {folder / 'config.toml'})", "") for line in caught.value.problems]


def faults_of(environment: Mapping[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(None, environment, ADAPTERS)
    return caught.value.problems


class TestSources:
    def test_with_nothing_given_everything_has_its_default(self, tmp_path: Path) -> None:
        assert load(None, {}, ADAPTERS) == loaded(tmp_path, "") == Config()

    def test_variables_without_our_prefix_are_ignored(self) -> None:
        others = {"PATH": "/bin", "collector_http__port": "1", "AWS_ACCESS_KEY_ID": SECRET, "XCOLLECTOR_A": "1"}
        assert load(None, others, ADAPTERS) == Config()

    def test_a_variable_wins_over_a_short_name_and_that_over_the_file(self, tmp_path: Path) -> None:
        toml = "[writer]\nmax_batch_size = 1\nbatch_interval_secs = 1\nadaptive = false"
        short = {"MAX_BATCH_SIZE": "2", "BATCH_INTERVAL_SECS": "2"}
        writer = loaded(tmp_path, toml, short | {"COLLECTOR_WRITER__MAX_BATCH_SIZE": "3"}).writer
        assert (writer.max_batch_size, writer.batch_interval_secs, writer.adaptive) == (3, 2.0, False)

    def test_every_short_name_reaches_its_key(self) -> None:
        config = load(
            None,
            {
                "HOME_SERVER_NAME": "attic",
                "MARKET_SYMBOL": "BTCUSDT, ETHUSDT",
                "CHANNEL_BUFFER_SIZE": "64",
                "BATCH_INTERVAL_SECS": "0.5",
                "MAX_BATCH_SIZE": "500",
                "ARCHIVE_INTERVAL_SECS": "300",
                "BUCKET_NAME": "x",
                "AWS_REGION": "eu-west-1",
            },
            ADAPTERS,
        )
        assert config.host_name == "attic"
        assert config.feed[0].symbols == ("BTCUSDT", "ETHUSDT")
        assert config.channel.capacity == 64
        assert config.writer.batch_interval_secs == 0.5
        assert config.writer.max_batch_size == 500
        assert config.segment.interval_secs == 300
        assert config.archive_url == "s3://x"
        assert config.archive.region == "eu-west-1"

    @pytest.mark.parametrize("text", ["", "  "])
    def test_an_empty_short_name_counts_as_not_set(self, text: str) -> None:
        assert load(None, dict.fromkeys(SHORT_NAMES, text), ADAPTERS) == Config()

    def test_aws_region_alone_does_not_change_where_the_archive_is(self) -> None:
        assert load(None, {"AWS_REGION": "eu-west-1"}, ADAPTERS).archive_url == Config().archive_url

    def test_every_type_can_be_set_in_the_environment(self) -> None:
        config = load(
            None,
            {
                "COLLECTOR_DATA_DIR": "/srv/data",
                "COLLECTOR_JOURNAL__MAX_BYTES": "5GiB",
                "COLLECTOR_JOURNAL__FILE_BYTES": "1048576",
                "COLLECTOR_INGEST__STALE_TIMEOUT_SECS": "12.5",
                "COLLECTOR_WRITER__ADAPTIVE": "False",
                "COLLECTOR_ARCHIVE__KEEP_RAW": "1",
                "COLLECTOR_HTTP__PORT": "0",
                "COLLECTOR_LOG__LEVEL": "debug",
                "COLLECTOR_NATS__URLS": "nats://one:4222, tls://two",
            },
            ADAPTERS,
        )
        assert config.nats.urls == ("nats://one:4222", "tls://two")
        assert config.data_dir == Path("/srv/data")
        assert config.journal.max_bytes == 5 << 30
        assert config.journal.file_bytes == 1 << 20
        assert config.ingest.stale_timeout_secs == 12.5
        assert config.writer.adaptive is False
        assert config.archive.keep_raw is True
        assert config.http.port == 0
        assert config.log.level == "debug"

    def test_sizes_read_alike_in_the_file_and_the_environment(self, tmp_path: Path) -> None:
        for text in ("64MiB", "67108864"):
            in_file = loaded(tmp_path, f'[segment]\nmax_bytes = "{text}"')
            assert in_file == load(None, {"COLLECTOR_SEGMENT__MAX_BYTES": text}, ADAPTERS)
        assert loaded(tmp_path, "[segment]\nmax_bytes = 67108864") == in_file

    def test_feeds_may_come_from_the_environment(self, tmp_path: Path) -> None:
        feeds = [{"symbols": ["ETHUSDT"]}, {"exchange": "kraken", "symbols": ["BTC/USD"], "data_types": ["trade"]}]
        config = loaded(tmp_path, '[[feed]]\nsymbols = ["BTCUSDT"]', {"COLLECTOR_FEED": json.dumps(feeds)})
        assert [(feed.exchange, feed.symbols) for feed in config.feed] == [
            ("binance", ("ETHUSDT",)),
            ("kraken", ("BTC/USD",)),
        ]

    def test_a_file_with_a_byte_order_mark_and_crlf_is_read(self, tmp_path: Path) -> None:
        assert loaded(tmp_path, "\ufeff[http]\r\nport = 1\r\n").http.port == 1


class TestFile:
    def test_a_missing_file_is_one_clear_line(self, tmp_path: Path) -> None:
        path = tmp_path / "none.toml"
        with pytest.raises(ConfigError) as caught:
            load(path, {"COLLECTOR_NONSENSE": "1"}, ADAPTERS)
        assert caught.value.problems == [f"{path}: cannot be read: No such file or directory"]

    def test_a_folder_in_place_of_the_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
            load(tmp_path, {}, ADAPTERS)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_file_without_permission_is_one_clear_line(self, tmp_path: Path) -> None:
        path = tmp_path / "config.toml"
        path.touch(mode=0)
        with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
            load(path, {}, ADAPTERS)

    @pytest.mark.parametrize(
        "content",
        [
            b'data_dir = "a',
            b"a = 1\na = 2",
            b"\xff\xfe",
            b"a = " + b"9" * 5000,
            b"a = " + b"[" * 100_000,
            b'[[feed]]\nws_url = "wss://u:hunter2@h\n',
        ],
    )
    def test_invalid_toml_gives_one_line_that_quotes_nothing(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "config.toml"
        path.write_bytes(content)
        with pytest.raises(ConfigError) as caught:
            load(path, {}, ADAPTERS)
        (line,) = caught.value.problems
        assert line.startswith(f"{path}: is not valid TOML: ")
        assert line.isprintable()
        assert SECRET not in line


class TestFaults:
    def test_all_problems_are_reported_at_once_one_per_line(self, tmp_path: Path) -> None:
        toml = """
            data_dir = ""
            writer = 7
            [[feed]]
            exchange = "binanc"
            symbols = []
            lines = 17
            [[feed]]
            name = "a/b"
            [[feed]]
            [[feed]]
            [ingest]
            reconnect_base_delay_secs = 400
            [http]
            prt = 1
        """
        lines = faults(
            tmp_path, toml, {"MAX_BATCH_SIZE": "ten", "COLLECTOR_LOG__FORMAT": "xml", "COLLECTOR_HTTP_PORT": "1"}
        )
        assert sorted(line.partition(": ")[0] for line in lines) == [
            "COLLECTOR_HTTP_PORT",
            'data_dir = ""',
            'feed[0].exchange = "binanc"',
            "feed[0].lines = 17",
            "feed[0].symbols = []",
            'feed[1].name = "a/b"',
            'feed[2].symbols = ["BTCUSDT"] (the default)',
            'feed[3].name = "binance" (the default)',
            'feed[3].symbols = ["BTCUSDT"] (the default)',
            'feed[3].symbols = ["BTCUSDT"] (the default)',
            "http.prt",
            "ingest.reconnect_max_delay_secs = 300.0 (the default)",
            'log.format = "xml" (from COLLECTOR_LOG__FORMAT)',
            "writer = 7",
            'writer.max_batch_size = "ten" (from MAX_BATCH_SIZE)',
        ]
        assert all(line.isprintable() for line in lines)

    @pytest.mark.parametrize(
        ("toml", "expected"),
        [
            ("[http]\nport = 70000", "http.port = 70000: must be a whole number from 0 to 65535"),
            ('[http]\nport = "9464"', 'http.port = "9464": must be a whole number from 0 to 65535'),
            ("[http]\nport = 9464.0", "http.port = 9464.0: must be a whole number from 0 to 65535"),
            (
                "[writer]\nmax_batch_size = true",
                "writer.max_batch_size = true: must be a whole number from 1 to 1000000",
            ),
            ('[writer]\nadaptive = "yes"', 'writer.adaptive = "yes": must be true or false'),
            ("[writer]\nadaptive = 1", "writer.adaptive = 1: must be true or false"),
            ("[log]\nlevel = 'INFO'", 'log.level = "INFO": must be one of debug, info, warning, error'),
            ("[[feed]]\nlines = 0", "feed[0].lines = 0: must be a whole number from 1 to 16"),
            (
                "host_name = '_a'",
                'host_name = "_a": begins with a character that hides files from readers; must be 1 to 64',
            ),
            ("host_name = 2026-01-02", "host_name = 2026-01-02: must be 1 to 64 characters of A-Z a-z 0-9 . _ -"),
            ("[feed]\nlines = 1", "feed = a table: must be a list of one or more [[feed]] tables"),
            ("feed = []", "feed = []: is empty; must be a list of one or more [[feed]] tables"),
            ("feed = [1]", "feed[0] = 1: must be a table"),
            (
                "[[feed]]\nsymbols = ['A', 1]",
                "feed[0].symbols[1] = 1: must be a string of 1 to 80 bytes without spaces",
            ),
            (
                "[[feed]]\nsymbols = ['top:0']",
                'feed[0].symbols[0] = "top:0": has no whole number from 1 to 10000 behind',
            ),
            (
                "[[feed]]\nexclude = ['top:5']",
                'feed[0].exclude[0] = "top:5": is neither a symbol nor a pattern; must be',
            ),
            (
                "[[feed]]\nexclude = ['*', 'BTC*']",
                'feed[0].exclude = ["*", "BTC*"]: excludes BTCUSDT, which symbols names; must be',
            ),
            (
                "[[feed]]\nsymbols = ['*USDT']\nexclude = ['*USDT']",
                'feed[0].exclude = ["*USDT"]: excludes *USDT, which symbols names; must be',
            ),
            ("[[feed]]\nsymbols = 'A'", 'feed[0].symbols = "A": must be a list of one or more symbols'),
            ("[[feed]]\nsymbols = ['A', 'A']", 'feed[0].symbols = ["A", "A"]: contains duplicates; must be'),
            ("[[feed]]\ndata_types = []", "feed[0].data_types = []: is empty; must be a list of one or more"),
            (
                "[[feed]]\nexchange = 'mtgox'",
                'feed[0].exchange = "mtgox": is unknown; must be one of binance, kraken',
            ),
            (
                "[[feed]]\nexchange = 'kraken'\ndata_types = ['trade', 'gap']",
                'feed[0].data_types[1] = "gap": is not offered by kraken; must be one of book_delta, trade',
            ),
            ("[segment]\ninterval_secs = 7", "segment.interval_secs = 7: does not divide a day evenly; must be"),
            ("[segment]\nmax_bytes = '20GB'", 'segment.max_bytes = "20GB": must be a number of bytes or a size like'),
            (
                "[journal]\nfile_bytes = '15GiB'",
                "journal.max_bytes = 21474836480 (the default): is less than 2 times file_bytes (15",
            ),
            (
                "[channel]\ncapacity = 10000",
                "channel.capacity = 10000: must be a whole number from 1 to 256 (notices, not",
            ),
            ("[archive]\nurl = 's3:/b'", 'archive.url = "s3:/b": does not begin with file:/// or s3://; must be'),
            (
                "[archive]\ncompression_level = 23",
                "archive.compression_level = 23: must be a whole number from 1 to 22",
            ),
        ],
    )
    def test_a_problem_names_the_key_the_value_and_what_is_allowed(
        self, tmp_path: Path, toml: str, expected: str
    ) -> None:
        (line,) = faults(tmp_path, toml)
        assert line.startswith(expected)

    @pytest.mark.parametrize(
        ("toml", "expected"),
        [
            ("data_dri = 'x'", "data_dri: unknown key; did you mean data_dir?"),
            ("[archve]\nurl = ''", "archve: unknown key; did you mean archive?"),
            ("[writer]\nbatch_size = 1", "writer.batch_size: unknown key; did you mean writer.max_batch_size?"),
            ("max_batch_size = 1", "max_batch_size: unknown key; did you mean writer.max_batch_size?"),
            ("[[feed]]\nsymbol = 'A'", "feed[0].symbol: unknown key; did you mean feed.symbols?"),
            ("zzz = 1", "zzz: unknown key"),
            ('"a\\u001bb" = 1', r"a\x1bb: unknown key"),
        ],
    )
    def test_an_unknown_key_comes_with_a_guess(self, tmp_path: Path, toml: str, expected: str) -> None:
        assert faults(tmp_path, toml) == [expected]

    @pytest.mark.parametrize(
        ("variable", "guess"),
        [
            ("COLLECTOR_WRITER_MAX_BATCH_SIZE", "; did you mean COLLECTOR_WRITER__MAX_BATCH_SIZE?"),
            ("COLLECTOR_http__port", "; did you mean COLLECTOR_HTTP__PORT?"),
            ("COLLECTOR_FEED__0__SYMBOLS", ""),
            ("COLLECTOR_", ""),
        ],
    )
    def test_an_unknown_variable_comes_with_a_guess(self, variable: str, guess: str) -> None:
        (line,) = faults_of({variable: SECRET})
        assert line.startswith(f"{variable}: unknown variable{guess}")
        assert SECRET not in line

    @pytest.mark.parametrize(
        ("environment", "expected"),
        [
            ({"MAX_BATCH_SIZE": "ten"}, 'writer.max_batch_size = "ten" (from MAX_BATCH_SIZE): must be'),
            ({"COLLECTOR_HTTP__PORT": ""}, 'http.port = "" (from COLLECTOR_HTTP__PORT): must be'),
            ({"COLLECTOR_WRITER__ADAPTIVE": "yes"}, 'writer.adaptive = "yes" (from COLLECTOR_WRITER__ADAPTIVE): must'),
            (
                {"COLLECTOR_INGEST__STALE_TIMEOUT_SECS": "nan"},
                'ingest.stale_timeout_secs = "nan" (from COLLECTOR_INGEST',
            ),
            ({"BUCKET_NAME": "a b"}, 'archive.url = "a b" (from BUCKET_NAME): has a bucket name with characters'),
            ({"MARKET_SYMBOL": "A,,B"}, 'feed[0].symbols[1] = "" (from MARKET_SYMBOL): is empty; must be'),
            ({"MARKET_SYMBOL": "A,A"}, 'feed[0].symbols = "A,A" (from MARKET_SYMBOL): contains duplicates; must be'),
            ({"COLLECTOR_FEED": '[{"lines": 17}]'}, "feed[0].lines = 17 (from COLLECTOR_FEED): must be a whole number"),
            ({"COLLECTOR_FEED": "{}"}, "feed = a table (from COLLECTOR_FEED): must be a list of one or more [[feed]]"),
            (
                {"COLLECTOR_FEED": "[{]"},
                "COLLECTOR_FEED: is not valid JSON: Expecting property name enclosed in double quotes at",
            ),
            ({"COLLECTOR_FEED": "9" * 5000}, "COLLECTOR_FEED: is not valid JSON; must be a list of feeds"),
            ({"COLLECTOR_FEED": "[" * 100_000}, "COLLECTOR_FEED: is not valid JSON; must be a list of feeds"),
        ],
    )
    def test_a_problem_from_the_environment_names_its_variable(
        self, environment: dict[str, str], expected: str
    ) -> None:
        (line,) = faults_of(environment)
        assert line.startswith(expected)

    def test_a_problem_from_the_file_names_the_file(self, tmp_path: Path) -> None:
        toml = "writer = 7\n[http]\nport = 70000\nprt = 1\n[[feed]]\nlines = 17\n"
        with pytest.raises(ConfigError) as caught:
            loaded(tmp_path, toml, {"MAX_BATCH_SIZE": "ten"})
        file = f"(from {tmp_path / 'config.toml'})"
        assert sorted(line.partition(": ")[0] for line in caught.value.problems) == [
            f"feed[0].lines = 17 {file}",
            f"http.port = 70000 {file}",
            f"http.prt {file}",
            f"writer = 7 {file}",
            'writer.max_batch_size = "ten" (from MAX_BATCH_SIZE)',
        ]

    def test_market_symbol_cannot_be_combined_with_a_feed(self, tmp_path: Path) -> None:
        expected = 'MARKET_SYMBOL = "ETHUSDT": cannot be combined with a [[feed]]; must be unset'
        assert faults(tmp_path, "[[feed]]\nlines = 2", {"MARKET_SYMBOL": "ETHUSDT"}) == [expected]
        (line,) = faults_of({"MARKET_SYMBOL": "ETHUSDT", "COLLECTOR_FEED": "[{}]"})
        assert line.startswith('MARKET_SYMBOL = "ETHUSDT": cannot be combined with COLLECTOR_FEED')

    def test_an_invalid_value_is_refused_in_every_variable(self) -> None:
        text = "\x00 no such thing"
        for variable in VARIABLES:
            (line,) = faults_of({variable: text})
            assert variable in line

    @given(ENVIRONMENTS, st.none() | st.lists(st.dictionaries(NAMES, VALUES, max_size=5) | VALUES, max_size=3))
    def test_any_input_gives_a_config_or_printable_errors(
        self, environment: dict[str, str], feeds: list[object] | None
    ) -> None:
        given_feeds = {} if feeds is None else {"COLLECTOR_FEED": json.dumps(feeds)}
        config, lines = outcome(environment | given_feeds)
        assert bool(lines) == (config is None)
        assert all(line.isprintable() for line in lines)


class TestSecrets:
    @pytest.mark.parametrize(
        "toml",
        [
            f'[[feed]]\nws_url = "wss://bob:{SECRET}@host"',
            f'[[feed]]\nws_url = "wss://host/ws?listenKey={SECRET}"',
            f'[[feed]]\nrest_url = ["https://host?k={SECRET}"]',
            f'[archive]\nurl = "s3://key:{SECRET}@bucket"',
            f'[archive]\nendpoint_url = "http:/key:{SECRET}@host"',
            f'[archive]\nsecret_key = "{SECRET}"',
            f'[secrets]\nsecret_key = "{SECRET}"',
            f'feed = [{{password = "{SECRET}"}}]',
            f'writer = {{password = "{SECRET}"}}',
            f'http = [{{password = "{SECRET}"}}]',
        ],
    )
    def test_no_problem_in_the_file_shows_a_secret(self, tmp_path: Path, toml: str) -> None:
        lines = faults(tmp_path, toml)
        assert lines
        assert SECRET not in "\n".join(lines)

    @pytest.mark.parametrize(
        "environment",
        [
            {"COLLECTOR_ARCHIVE__SECRET_KEY": SECRET},
            {"COLLECTOR_ARCHIVE__ENDPOINT_URL": f"http://bob:{SECRET}@host"},
            {"BUCKET_NAME": f"key:{SECRET}@bucket"},
            {"COLLECTOR_FEED": f'[{{"password": "{SECRET}"'},
            {"COLLECTOR_FEED": f'[{{"password": "{SECRET}"}}]'},
            {"COLLECTOR_FEED": f'{{"password": "{SECRET}"}}'},
        ],
    )
    def test_no_problem_in_the_environment_shows_a_secret(self, environment: dict[str, str]) -> None:
        assert SECRET not in "\n".join(faults_of(environment))
