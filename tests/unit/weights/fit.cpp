// The prefix and the naming behind which a file holds a network, as the releases write them.
#include "weights/fit.h"

#include <doctest/doctest.h>

using namespace selfsight::weights;

namespace {

const Shapes ours = {{"conv1.weight", {64, 3, 7, 7}},
                     {"bn1.weight", {64}},
                     {"bn1.num_batches_tracked", {}},
                     {"layer1.0.conv1.weight", {64, 64, 3, 3}},
                     {"layer4.1.bn2.bias", {512}}};

// Every key of ours as `layout` names it, behind each of the prefixes.
Shapes file_of(const std::vector<std::string>& prefixes, std::size_t layout = 0, bool counters = true) {
  Shapes out = {{"epoch.0", {1}}, {"optimizer.state.0.momentum_buffer", {64, 3, 7, 7}}, {"fc.weight", {1000, 512}}};
  for (const std::string& prefix : prefixes)
    for (const auto& [key, shape] : ours)
      if (counters || !key.ends_with("num_batches_tracked")) out[prefix + layouts()[layout].key(key)] = shape;
  return out;
}

}  // namespace

TEST_CASE("the network is found behind any prefix and in every naming") {
  for (std::size_t layout = 0; layout < layouts().size(); ++layout)
    for (const std::string prefix : {"", "module.", "state_dict.module.encoder_q.", "teacher.backbone.", "network.feature_extractor."}) {
      CAPTURE(prefix);
      CAPTURE(layout);
      for (const bool counters : {true, false}) {
        const Fit found = fit(ours, file_of({prefix}, layout, counters));
        CHECK(found.prefix == prefix);
        CHECK(found.layout == layouts()[layout].name);
        CHECK(found.complete());
        CHECK(found.pairs.size() == (counters ? 5 : 4));
        CHECK(found.pairs.at("layer1.0.conv1.weight") == prefix + layouts()[layout].key("layer1.0.conv1.weight"));
      }
    }
  CHECK(layouts()[1].key("layer2.0.downsample.0.weight") == "5.0.downsample.0.weight");
  CHECK(layouts()[3].key("blocks.0.0.conv_pw.weight") == "_blocks.0._project_conv.weight");
  CHECK(layouts()[3].key("blocks.5.3.bn2.bias") == "_blocks.14._bn1.bias");
  CHECK(layouts()[3].key("bn2.weight") == "_bn1.weight");
  CHECK(layouts()[2].key("bn1.running_mean") == "_feature_blocks.0.bn.running_mean");
}

TEST_CASE("a network of efficientnet_pytorch is found by its own names") {
  const Shapes blocks = {{"conv_stem.weight", {32, 3, 3, 3}},
                         {"bn1.weight", {32}},
                         {"blocks.0.0.conv_dw.weight", {32, 1, 3, 3}},
                         {"blocks.0.0.conv_pw.weight", {16, 32, 1, 1}},
                         {"blocks.2.1.conv_pwl.weight", {40, 240, 1, 1}},
                         {"blocks.6.0.bn3.bias", {320}},
                         {"conv_head.weight", {1280, 320, 1, 1}},
                         {"bn2.weight", {1280}}};
  const Shapes file = {{"m._conv_stem.weight", {32, 3, 3, 3}},
                       {"m._bn0.weight", {32}},
                       {"m._blocks.0._depthwise_conv.weight", {32, 1, 3, 3}},
                       {"m._blocks.0._project_conv.weight", {16, 32, 1, 1}},
                       {"m._blocks.4._project_conv.weight", {40, 240, 1, 1}},
                       {"m._blocks.15._bn2.bias", {320}},
                       {"m._conv_head.weight", {1280, 320, 1, 1}},
                       {"m._bn1.weight", {1280}}};
  const Fit found = fit(blocks, file);
  CHECK(found.layout == "efficientnet-pytorch");
  CHECK(found.prefix == "m.");
  CHECK(found.complete());
  CHECK(found.unexpected.empty());
}

TEST_CASE("of several networks the teacher and the query network are taken, and the others are told of") {
  const Fit dino = fit(ours, file_of({"student.module.backbone.", "teacher.backbone."}));
  CHECK(dino.prefix == "teacher.backbone.");
  CHECK(dino.alternatives == std::vector<std::string>{"student.module.backbone."});
  CHECK(fit(ours, file_of({"state_dict.module.encoder_k.", "state_dict.module.encoder_q."})).prefix == "state_dict.module.encoder_q.");
  CHECK(fit(ours, file_of({"state_dict.backbone.", "state_dict.momentum_backbone."})).prefix == "state_dict.backbone.");
  CHECK(fit(ours, file_of({"a.target_network.", "a.online_network."})).prefix == "a.online_network.");
  CHECK(
      fit({{"blocks.0.norm1.weight", {384}}}, {{"model.blocks.0.norm1.weight", {384}}}).alternatives.empty());  // one network in any naming
  const Fit asked = fit(ours, file_of({"student.module.backbone.", "teacher.backbone."}), "student.module.backbone.");
  CHECK(asked.complete());
  CHECK(asked.unexpected.empty());
}

TEST_CASE("what does not fit is told by kind") {
  Shapes file = file_of({"module."});
  file["module.layer1.0.conv1.weight"] = {64, 64, 1, 1};
  file.erase("module.layer4.1.bn2.bias");
  file["module.fc.bias"] = {10};
  const Fit found = fit(ours, file);
  CHECK(found.prefix == "module.");
  CHECK_FALSE(found.complete());
  CHECK(found.missing == std::vector<std::string>{"layer4.1.bn2.bias"});
  CHECK(found.misshapen == std::vector<std::string>{"layer1.0.conv1.weight: [64, 64, 3, 3], the file has [64, 64, 1, 1]"});
  CHECK(found.unexpected == std::vector<std::string>{"module.fc.bias"});
  file = file_of({""});
  file["bn1.num_batches_tracked"] = {1};
  CHECK(fit(ours, file).pairs.size() == 5);
  file["bn1.num_batches_tracked"] = {7};
  CHECK(fit(ours, file).complete());
  const Fit none = fit(ours, {{"w", {3}}});
  CHECK(none.pairs.empty());
  CHECK(none.missing.size() == 4);
  CHECK(none.unexpected == std::vector<std::string>{"w"});
}
