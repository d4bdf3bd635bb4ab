#include "train/trainer.h"

#include "core/error.h"

#include <algorithm>
#include <functional>

namespace selfsight::train {

void TrainOptions::describe(core::Options& o) {
  o.group("Budget");
  o.add("epochs", &epochs, "passes over the training split").range(1, 1e6);
  o.add("max-steps", &max_steps, "end (and anneal) after this many updates at the latest; 0: no limit").range(0);
  o.add("batch", &batch, "images a batch").range(2, 1 << 20);
  o.add("accumulate", &accumulate, "batches an update").range(1, 4096);
  o.add("seed", &seed, "of everything that is random");
  o.add("split", &split, "split of the data set to train on").metavar("NAME");
  o.add("images", &images, "use only this many images of the split, drawn by the seed; 0: all").range(0);
  o.add("shuffle-window", &shuffle_window,
        "shuffle the shards, and the images of so many shards at a time, for sets larger than the memory; 0: all images together")
      .range(0, 1e6);
  o.add("plan", &plan, "take the batches from this plan manifest (ssl-plan batches) instead of shuffling")
      .metavar("PLAN.json")
      .reads_manifest();
  o.group("Schedule");
  o.add("lr", &lr, "learning rate at lr-batch images an update, scaled linearly with the batch").range(0, 1000);
  o.add("lr-batch", &lr_batch, "batch that lr is stated for; 0: take lr as it is").range(0);
  o.add("schedule", &schedule, "how the learning rate falls after the warm-up").choices({"cosine", "steps"});
  o.add("lr-steps", &lr_steps, "steps: epochs (counted from 0) at whose start the rate is multiplied by lr-gamma; none: it stays")
      .range(1, 1e6)
      .only_with("schedule", {"steps"});
  o.add("lr-gamma", &lr_gamma, "steps: what the rate is multiplied by").range(0, 1).only_with("schedule", {"steps"});
  o.add("min-lr", &min_lr, "learning rate at the end of the cosine, as it is (not scaled with the batch)")
      .range(0, 1000)
      .only_with("schedule", {"cosine"});
  o.add("warmup-epochs", &warmup_epochs, "epochs of linear warm-up").range(0);
  o.add("warmup-lr", &warmup_lr, "learning rate that the warm-up starts from, as it is").range(0, 1000).only_with("warmup-epochs");
  o.add("weight-decay", &weight_decay, "weight decay").range(0, 100);
  o.add("weight-decay-end", &weight_decay_end, "weight decay at the end, by a cosine; negative: constant").range(-1, 100);
  o.add("clip", &clip, "largest norm of the whole gradient; 0: no clipping").range(0);
  o.add("precision", &precision, "arithmetic of the forward pass").choices({"fp32", "bf16", "fp16"});
  o.add("augment", &augment,
        "where views are made: by the workers, or on --device (on a CPU by a twin of the kernel). There plain JPEGs are decoded too; other "
        "images are held decoded, whole, until their batch is due; what only the device's decoder finds to be bad is skipped under "
        "'replace' too")
      .choices({"host", "device"});
  o.group("Running");
  o.add("device", &device, "cpu, cuda or cuda:N").metavar("DEVICE").runtime();
  o.add("record-step", &record_step,
        "on a GPU, record the kernels of a step and launch them all at once (a CUDA graph), where the method does the same work every time "
        "and runs alone, without --accumulate and fp16")
      .runtime();
  o.add("threads", &threads, "threads of LibTorch; 0: all processors (another number may change the last bits)").range(0, 1024).runtime();
  o.add("log-every", &log_every, "steps between lines of the training record").range(1).runtime();
  o.add("knn-every", &knn_every, "epochs between online kNN evaluations; 0: none").range(0).runtime();
  o.add("knn-k", &knn_k, "neighbours of the online kNN").range(1, 10000).only_with("knn-every");
  o.add("knn-temperature", &knn_temperature, "temperature of its weights; 0: majority vote").range(0, 100).only_with("knn-every");
  o.add("knn-bank", &knn_bank, "training images it searches").range(2).only_with("knn-every");
  o.add("knn-queries", &knn_queries, "training images (others) it classifies").range(1).only_with("knn-every");
  o.add("checkpoint-minutes", &checkpoint_minutes, "minutes between checkpoints; 0: none by the clock").range(0).runtime();
  o.add("checkpoint-epochs", &checkpoint_epochs, "epochs between checkpoints; 0: none by epochs").range(0).runtime();
  o.add("checkpoint-steps", &checkpoint_steps, "updates between checkpoints; 0: none by updates").range(0).runtime();
  o.add("keep", &keep, "newest checkpoints that are kept").range(1, 1000).runtime();
  o.add("keep-every", &keep_every,
        "keep also, for good, a checkpoint of every so many epochs (of none that ends amid skipped updates); 0: none")
      .range(0, 1e6)
      .runtime();
  o.add("keep-best", &keep_best, "keep also the checkpoint of the epoch with the best online kNN").only_with("knn-every").runtime();
  o.add("time-limit", &time_limit,
        "minutes after which the run writes a checkpoint and ends with exit code 75; 0: two minutes before the end of the batch job, where "
        "its scheduler says it (SLURM_JOB_END_TIME; PBS_WALLTIME, as if the job began with this run); negative: none")
      .runtime();
}

void TrainOptions::check() const {
  if (shuffle_window > 0 && !plan.empty())
    core::fail(core::Exit::usage, "--shuffle-window and --plan: the plan says already which batches come, and in what order");
  if (warmup_epochs > static_cast<double>(epochs))
    core::fail(core::Exit::usage, "--warmup-epochs {}: longer than the whole run (--epochs {})", warmup_epochs, epochs);
  if (std::adjacent_find(lr_steps.begin(), lr_steps.end(), std::greater_equal<>()) != lr_steps.end())
    core::fail(core::Exit::usage, "--lr-steps {}: each epoch must be later than the one before", fmt::join(lr_steps, ","));
}

double TrainOptions::learning_rate(double peak, const Progress& progress) const {
  if (schedule == "steps") return warmup_steps(warmup_lr, peak, lr_gamma, lr_steps, warmup_epochs, progress);
  return warmup_cosine(warmup_lr, peak, min_lr, warmup_epochs, progress);
}

}  // namespace selfsight::train
