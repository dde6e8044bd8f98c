"""Which batching keeps chats fluent when they come in bursts? Paired over seeds."""

from pathlib import Path

import hocket

POLICIES = ["serving/vllm-v0", "serving/vllm-v1", "serving/sarathi"]
SHOWN = ("attainment", "ttft_p99", "tbt_p99", "e2e_mean")

if __name__ == "__main__":
    chats = hocket.load(Path(__file__).with_name("bursty_chat.yaml"))
    compared = hocket.compare(chats, POLICIES, seeds=5, workers=1)
    for metric in SHOWN:
        print(metric)
        for row in compared.rows:
            if row.metric == metric:
                print(f"  {row.policy:16} {row.mean:7.3f}   [{row.low:.3f}, {row.high:.3f}]")
    print(f"attainment, less {POLICIES[0]} on the same requests:")
    for less in compared.differences:
        if less.metric == "attainment":
            print(f"  {less.policy:16} {less.mean:+.3f}   [{less.low:+.3f}, {less.high:+.3f}]")
