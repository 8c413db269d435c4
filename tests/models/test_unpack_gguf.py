"""models/unpack_gguf.py: a GGUF file written here from a random Llama comes back as the same model and tokenizer."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from gguf import GGUFWriter
from tokenizers import pre_tokenizers
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

ROOT = Path(__file__).resolve().parents[2]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TOKENS = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet()), "he", "Ġhe", "12"]
MERGES = ["h e", "Ġ he", "1 2"]
TEMPLATE = "{% for m in messages %}{{ '<|im_start|>' + m['content'] + '<|im_end|>' }}{% endfor %}"
NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


@pytest.fixture(scope="module")
def unpack_gguf() -> ModuleType:
    spec = importlib.util.spec_from_file_location("unpack_gguf", ROOT / "models" / "unpack_gguf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def random_llama() -> LlamaForCausalLM:
    config = LlamaConfig(
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        vocab_size=len(TOKENS),
        max_position_embeddings=256,
        rope_theta=100000.0,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    torch.manual_seed(0)
    return LlamaForCausalLM(config).half().float().eval()  # numbers that f16 holds exactly


def neighbours(weight: Tensor, heads: int) -> Tensor:
    """llama.cpp rotates neighbouring lanes, Hugging Face lanes half a head apart."""
    return weight.view(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def write_gguf(path: Path, model: LlamaForCausalLM, *, splits: str = "smollm") -> Path:
    config, writer = model.config, GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splits)
    writer.add_token_list(TOKENS)
    writer.add_token_types([3 if token in SPECIAL else 1 for token in TOKENS])
    writer.add_token_merges(MERGES)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight":
            continue  # as in SmolLM2's file: the embedding serves for both
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
        for part, count in heads.items():
            if part in name:
                tensor = neighbours(tensor, count)
        writer.add_tensor(renamed(name), tensor.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def renamed(name: str) -> str:
    if name.startswith("model.layers."):
        number, _, rest = name.removeprefix("model.layers.").partition(".")
        return f"blk.{number}.{NAMES[rest.removesuffix('.weight')]}.weight"
    return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[name]


@pytest.fixture(scope="module")
def original() -> LlamaForCausalLM:
    return random_llama()


@pytest.fixture(scope="module")
def folder(unpack_gguf: ModuleType, original: LlamaForCausalLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("gguf")
    unpack_gguf.main([str(write_gguf(work / "tiny.gguf", original)), str(work / "out")])
    return work / "out"


def test_the_model_is_the_same(folder: Path, original: LlamaForCausalLM) -> None:
    again = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
    assert again.lm_head.weight is again.model.embed_tokens.weight
    ids = torch.randint(3, len(TOKENS), (2, 20))
    with torch.no_grad():
        torch.testing.assert_close(again(ids).logits, original(ids).logits, atol=1e-5, rtol=0)


def test_the_weights_are_kept_in_f16_and_no_path_of_this_machine_with_them(folder: Path) -> None:
    text = (folder / "config.json").read_text()
    assert '"torch_dtype": "float16"' in text
    assert str(folder.parent) not in text


def test_the_tokenizer_puts_nothing_in_front_and_splits_digits(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("he he 12").input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == ["he", "Ġhe", "Ġ", "1", "2"]
    assert tokenizer.decode(tokenizer("he's, 7\n\n ü").input_ids) == "he's, 7\n\n ü"
    assert [tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token] == [*SPECIAL[1:], SPECIAL[2]]


def test_the_chat_template_comes_along(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.apply_chat_template([{"content": "he", "role": "user"}]) == [1, TOKENS.index("he"), 2]


def test_another_tokenizer_is_refused(unpack_gguf: ModuleType, original: LlamaForCausalLM, tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "other.gguf", original, splits="qwen2")
    with pytest.raises(ValueError, match="gpt2/qwen2 is not written here"):
        unpack_gguf.main([str(file), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
