"""Both ends on one Redis: the Swift peer with its caches, and Python functions behind the SDK's own decorator."""

import random
import uuid

import redis
from cachekit import cache
from cachekit.backends.redis import RedisBackend

import values
from peer import Peer

# Longer than any run, so that nothing expires under a check.
TTL = 3600
NAMESPACES = ["proof", "proof.values-2", "p" * 64]
NOT_CALLED = "the function was called: the entry that Swift wrote was not a hit"


class Functions:
    """Decorated functions, one per namespace and number of arguments, that share one body and count its calls."""

    def __init__(self, url, name, **options):
        self.name = name
        # Without the SDK's own memory tier, every hit is one of Redis.
        self.options = dict(ttl=TTL, backend=RedisBackend(url), l1_enabled=False) | options
        self.made = {}
        self.calls = 0
        self.result = None

    def body(self):
        self.calls += 1
        return self.result

    def operation(self, count):
        return f"{self.name}_{count}-args.v1"

    def function(self, namespace, count):
        if (namespace, count) not in self.made:
            names = ", ".join(f"a{index}" for index in range(count))
            function = eval(f"lambda {names}: body()", {"body": self.body})
            decorated = cache(interop=self.operation(count), namespace=namespace, **self.options)(function)
            self.made[namespace, count] = decorated
        return self.made[namespace, count]

    def call(self, namespace, arguments, by_name=0):
        """Calls with the last `by_name` arguments given by name; gives the result and whether the body ran."""
        function = self.function(namespace, len(arguments))
        split = len(arguments) - by_name
        named = {f"a{index}": arguments[index] for index in range(split, len(arguments))}
        before = self.calls
        result = function(*arguments[:split], **named)
        return result, self.calls != before


class Ends:
    def __init__(self, options):
        self.random = random.Random(options.seed)
        self.url = options.python_url
        self.swift_url = options.swift_url
        self.command = options.command
        self.redis = redis.Redis.from_url(self.url)
        self.peer = Peer(options.peer)
        self.key = self.another_key()
        self.tenant = self.another_tenant()
        self.plain = Functions(self.url, "plain", encryption=False)
        self.secure = Functions(self.url, "secure", **self.encryption())
        self.open("plain")
        self.open("secure", master_key=self.key, tenant=self.tenant)

    @property
    def modes(self):
        """Each mode: the name of its Swift cache, and its Python functions."""
        return (("plain", self.plain), ("secure", self.secure))

    def another_key(self):
        return self.random.randbytes(32).hex()

    def another_tenant(self):
        return str(uuid.UUID(bytes=self.random.randbytes(16), version=4))

    def encryption(self, tenant=None, key=None):
        """The decorator's options for a secure function."""
        return dict(
            encryption=True, master_key=key or self.key, single_tenant_mode=True, deployment_uuid=tenant or self.tenant
        )

    def open(self, name, memory=0, **options):
        """Opens a cache of the Swift peer; without memory, every read is one of Redis."""
        self.peer.ask("open", cache=name, url=self.swift_url, memory=memory, **options)
        return name

    def members(self, functions, namespace, arguments):
        """What a request to the peer says of a call."""
        return dict(
            namespace=namespace,
            operation=functions.operation(len(arguments)),
            arguments=[values.tagged_argument(argument) for argument in arguments],
            type="document",
        )

    def fresh(self, functions):
        """A namespace, arguments and their request's members, whose key Redis does not hold yet."""
        while True:
            namespace = self.random.choice(NAMESPACES)
            count = self.random.choice([0, 1, 1, 2, 3, 5, 8, 15, 16, 20])
            arguments = [values.argument(self.random) for _ in range(count)]
            members = self.members(functions, namespace, arguments)
            if not self.redis.exists(self.physical_key(members)):
                return namespace, arguments, members

    def physical_key(self, members):
        return self.peer.ask("key", **members)["key"]

    def set(self, mode, value, members, milliseconds=TTL * 1000):
        """Lets Swift write a value; gives the key."""
        return self.peer.ask(
            "set", cache=mode, value=values.tagged(value), milliseconds=milliseconds, **members)["key"]

    def get(self, mode, members):
        """What Swift reads, in its tagged form; `None` for a miss."""
        return self.peer.ask("get", cache=mode, **members).get("value")
