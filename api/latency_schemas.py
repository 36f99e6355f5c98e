"""What the API answers about the latency of a trial's network."""

from pydantic import BaseModel, ConfigDict, Field


class Device(BaseModel):
    """What a latency depends on besides the network and the size of its input."""

    digest: str = Field(description="equal where latencies are comparable")
    device: str
    processor: str
    threads: int
    precision: str
    torch: str


class Latency(BaseModel):
    """How long the target's whole network takes for a batch, by the protocol in the search document's `latency`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "median_ms": 41.8,
                    "interval_ms": [41.5, 42.3],
                    "rounds": 27,
                    "discarded": 3,
                    "device": {
                        "digest": "5f0c1a9be432",
                        "device": "cpu (bf16)",
                        "processor": "Example 9000",
                        "threads": 1,
                        "precision": "bf16",
                        "torch": "2.14.0",
                    },
                }
            ]
        }
    )

    median_ms: float
    interval_ms: tuple[float, float] = Field(description="of the median, with a confidence of 95 %")
    rounds: int = Field(description="that counted")
    discarded: int = Field(description="that did not, for the device was slower then")
    device: Device = Field(description="the same for all trials of a search")
