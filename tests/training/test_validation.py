from acdm.training.validation import PATIENCE, Health, Look

HEALTHY = {"sparse": 0.02, "critic": 0.7}


def signs_of(sparse=0.02, critic=0.7, steps=3 * PATIENCE):
    health = Health()
    return [
        (step, sign)
        for step in range(1, steps + 1)
        for sign in health.step(step, {**HEALTHY, "sparse": sparse, "critic": critic})
    ]


def test_a_healthy_training_raises_no_alarm():
    assert signs_of() == []
    health = Health()
    assert [health.look(step, Look(20 + step / 500, 0.9, 0.05)) for step in range(250, 5000, 250)] == [[]] * 19


def test_a_silent_branch_1_is_told_once_after_its_slow_start():
    ((step, sign),) = signs_of(sparse=5e-5)
    assert (step, "branch 1 is silent" in sign) == (2 * PATIENCE, True)


def test_a_discriminator_that_has_won_is_told():
    ((step, sign),) = signs_of(critic=0.001)
    assert (step, "discriminator has won" in sign) == (PATIENCE, True)


def test_a_fall_of_quality_is_told_again_only_after_it_was_made_good():
    health = Health()
    told = [
        bool(health.look(step, Look(psnr, 0.9, 0.05))) for step, psnr in enumerate((20, 30, 23, 23, 29, 22), start=1)
    ]
    assert told == [False, False, True, False, False, True]


def test_reconstructions_that_are_all_alike_are_told():
    health = Health()
    assert health.look(250, Look(15, 0.001, 0.05)) == [], "at first all are grey"
    (sign,) = health.look(750, Look(15, 0.001, 0.05))
    assert "rebuilt alike" in sign
