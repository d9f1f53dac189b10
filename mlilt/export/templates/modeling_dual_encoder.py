"""A dual encoder of a transformers text model and a timm vision model, each with an affine projection into one space.

Apache-2.0. Needs transformers, torch and timm.
"""

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel, TimmWrapperConfig, TimmWrapperModel
from transformers.models.clip.modeling_clip import CLIPOutput


class DualEncoderConfig(PretrainedConfig):
    """Settings of both models, the size of the shared space, and how tokens become one vector (mean or cls)."""

    model_type = "vision-text-dual-encoder-affine"
    sub_configs = {"text_config": AutoConfig, "vision_config": TimmWrapperConfig}

    def __init__(self, text_config=None, vision_config=None, projection_dim=256, pooling="mean", **kwargs):
        text = dict(text_config or {"model_type": "bert"})
        self.text_config = AutoConfig.for_model(text.pop("model_type"), **text)
        self.vision_config = TimmWrapperConfig.from_dict(dict(vision_config or {}))
        self.projection_dim = projection_dim
        self.pooling = pooling
        super().__init__(**kwargs)


class DualEncoderModel(PreTrainedModel):
    """See the module's docstring; features are L2-normalized, of shape (n, projection_dim)."""

    config_class = DualEncoderConfig
    main_input_name = "input_ids"

    def __init__(self, config):
        super().__init__(config)
        self.text_model = AutoModel.from_config(config.text_config)
        if getattr(self.text_model, "pooler", None) is not None:
            self.text_model.pooler = None
        self.vision_model = TimmWrapperModel(config.vision_config)
        width = self.vision_model.timm_model.num_features
        self.text_projection = nn.Linear(config.text_config.hidden_size, config.projection_dim)
        self.visual_projection = nn.Linear(config.vision_config.num_features or width, config.projection_dim)
        self.logit_scale = nn.Parameter(torch.tensor(0.0))
        self.logit_bias = nn.Parameter(torch.tensor(0.0))
        self.post_init()

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def get_text_features(self, input_ids, attention_mask=None, **kwargs):
        """Token ids of shape (n, tokens) -> features."""
        kwargs.pop("token_type_ids", None)
        hidden = self.text_model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.config.pooling == "cls":
            pooled = hidden[:, 0]
        elif attention_mask is None:
            pooled = hidden.mean(1)
        else:
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * mask).sum(1) / mask.sum(1)
        return nn.functional.normalize(self.text_projection(pooled), dim=-1)

    def get_image_features(self, pixel_values, **kwargs):
        """Pixels of shape (n, 3, height, width), normalized -> features."""
        pooled = self.vision_model(pixel_values=pixel_values).pooler_output
        return nn.functional.normalize(self.visual_projection(pooled), dim=-1)

    def forward(self, input_ids=None, pixel_values=None, attention_mask=None, **kwargs):
        """Both, and their logits: cosine similarities, scaled."""
        texts = self.get_text_features(input_ids, attention_mask)
        pictures = self.get_image_features(pixel_values)
        logits = texts @ pictures.T * self.logit_scale.exp() + self.logit_bias
        return CLIPOutput(logits_per_text=logits, logits_per_image=logits.T, text_embeds=texts, image_embeds=pictures)
